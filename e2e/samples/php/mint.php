<?php
// Mints an Ably JWT as PHP servers do that follow the published sample to the
// letter: base64_encode writes the standard alphabet, with padding, where
// RFC 7515 §2 asks for base64url without.
//
// MINT_SECRET=... php mint.php KEY_NAME CLIENT_ID CAPABILITY IAT EXP

[, $keyName, $clientId, $capability, $issued, $expires] = $argv;

$header = ['typ' => 'JWT', 'alg' => 'HS256', 'kid' => $keyName];
$claims = [
    'iat' => (int) $issued,
    'exp' => (int) $expires,
    'x-ably-capability' => $capability,
    'x-ably-clientId' => $clientId,
];
$input = base64_encode(json_encode($header)) . '.' . base64_encode(json_encode($claims));
$signature = hash_hmac('sha256', $input, getenv('MINT_SECRET'), true);

echo $input . '.' . base64_encode($signature), "\n";
