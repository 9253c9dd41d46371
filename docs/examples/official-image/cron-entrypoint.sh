# Cron's jobs get the variables of the file that BASH_ENV names in their crontab, and no others.
(umask 077; declare -p "${!MAUTIC_@}" "${!PHP_INI_VALUE_@}" >/run/cron.env)
chown www-data /run/cron.env
mkdir -p /opt/mautic/cron
[ -f /opt/mautic/cron/mautic ] || cp /templates/mautic_cron /opt/mautic/cron/mautic
sed -i 's#^BASH_ENV=.*#BASH_ENV=/run/cron.env#' /opt/mautic/cron/mautic
exec /entrypoint.sh
