<?php
// A variable named MAUTIC_ and a parameter goes before this file, in the processes that have it.
$parameters = [
    'db_driver'   => 'pdo_mysql',
    'db_host'     => getenv('MAUTIC_DB_HOST'),
    'db_port'     => getenv('MAUTIC_DB_PORT'),
    'db_name'     => getenv('MAUTIC_DB_NAME'),
    'db_user'     => getenv('MAUTIC_DB_USER'),
    'db_password' => getenv('MAUTIC_DB_PASSWORD'),
    'secret_key'  => getenv('MAUTIC_SECRET_KEY'), // never another one: it encrypts what is stored
    'site_url'    => 'https://mautic.example.com',
    'mailer_dsn'  => str_replace('%', '%%', getenv('MAILER_DSN')), // a single % would name a parameter
];
