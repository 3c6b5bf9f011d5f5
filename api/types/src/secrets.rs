//! Keeps private keys out of messages.

/// The beginning of a line with a private key of a site, in the files of `keys/`.
pub const PRIVATE_KEY_PREFIX: &str = "starling-key-v1:";
/// The end of the first line of a private key in PEM, of any program.
const PEM_PRIVATE_KEY: &str = "PRIVATE KEY-----";
/// The text that replaces a secret in a message.
const LEFT_OUT: &str = "(a private key, left out)";

/// Returns true if a text contains a private key of a site, or one in PEM.
#[must_use]
pub fn has_private_key(text: &str) -> bool {
    text.contains(PRIVATE_KEY_PREFIX) || text.contains(PEM_PRIVATE_KEY)
}

/// Takes private keys out of a message. Nothing of a key is left, not even of a part of one.
#[must_use]
pub fn without_private_keys(text: String) -> String {
    if !has_private_key(&text) {
        return text;
    }
    let mut parts = text.split(PRIVATE_KEY_PREFIX);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(LEFT_OUT);
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '…');
        out.push_str(end.map_or("", |end| &part[end..]));
    }
    // In a quoted part, the end of a PEM key is unknown, so the rest of the message is removed too.
    match out.split_once(PEM_PRIVATE_KEY) {
        Some((before, _)) => format!("{before}{LEFT_OUT}"),
        None => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_digit_of_a_private_key_stays() {
        let found =
            without_private_keys("found \"starling-key-v1:00ffa\", and starling-key-v1:12".to_owned());
        assert_eq!(
            found,
            "found \"(a private key, left out)\", and (a private key, left out)"
        );
        let pem = without_private_keys("found \"-----BEGIN OPENSSH PRIVATE KEY-----\\nb3Bl\"".to_owned());
        assert!(
            pem.ends_with("(a private key, left out)") && !pem.contains("b3Bl"),
            "{pem}"
        );
        let usual = "expected `blake3:…`, found \"ed25519:00\"";
        assert_eq!(without_private_keys(usual.to_owned()), usual);
    }
}
