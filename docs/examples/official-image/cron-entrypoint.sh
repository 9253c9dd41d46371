# Cron jobs get the variables in the file that BASH_ENV names in the crontab, and only if bash runs them.
# The variables that cron sets itself keep their values.
(umask 077; unset HOME LOGNAME MAIL OLDPWD PATH PWD SHELL SHLVL USER; export -p >/run/cron.env)
chown www-data /run/cron.env
mkdir -p /opt/mautic/cron
[ -f /opt/mautic/cron/mautic ] || cp /templates/mautic_cron /opt/mautic/cron/mautic
jobs=$(sed -E '/^\s*(SHELL|BASH_ENV)\s*=/d; s/\r$//' /opt/mautic/cron/mautic)
crontab=$(printf 'SHELL=/bin/bash\nBASH_ENV=/run/cron.env\n%s' "$jobs")
[ "$crontab" = "$(cat /opt/mautic/cron/mautic)" ] || printf '%s\n' "$crontab" >/opt/mautic/cron/mautic
exec /entrypoint.sh
