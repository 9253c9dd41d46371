# Built on each start, so that it has the password that the task read.
MAUTIC_CONFIG_PARAMETERS=$(php -r 'echo json_encode([
    "db_password" => getenv("MAUTIC_DB_PASSWORD"),
    "site_url" => "https://mautic.example.com",
], JSON_THROW_ON_ERROR);')
export MAUTIC_CONFIG_PARAMETERS
exec /entrypoint.sh apache2-foreground
