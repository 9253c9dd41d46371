<?php
// In processes that have it, a variable MAUTIC_<PARAMETER> takes precedence over this file.
$parameters = [
    'db_driver'   => 'pdo_mysql',
    'db_host'     => getenv('MAUTIC_DB_HOST'),
    'db_port'     => getenv('MAUTIC_DB_PORT'),
    'db_name'     => getenv('MAUTIC_DB_NAME'),
    'db_user'     => getenv('MAUTIC_DB_USER'),
    'db_password' => getenv('MAUTIC_DB_PASSWORD'),
    'secret_key'  => getenv('MAUTIC_SECRET_KEY'), // never change it: it encrypts stored data
    'site_url'    => 'https://mautic.example.com',
    'mailer_dsn'  => str_replace('%', '%%', getenv('MAILER_DSN')), // Mautic reads a single % as the start of a parameter
];
