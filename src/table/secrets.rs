//! Which words of a command nobody else is to read: those who monitor, or read what was slow.

use super::args::is;
use super::row::Compat;
use crate::Bytes;

/// What stands in their place.
pub(super) const REDACTED: &str = "(redacted)";

/// Parameters that keep a secret.
const PARAMETERS: [&str; 7] = [
    "masterauth",
    "masteruser",
    "primaryauth",
    "primaryuser",
    "requirepass",
    "tls-client-key-file-pass",
    "tls-key-file-pass",
];

/// The places of such words. O(words)
pub(super) fn secrets(words: &[Bytes], compat: Compat) -> Vec<usize> {
    let [name, rest @ ..] = words else { return Vec::new() };
    let sub = |known: &str| rest.first().is_some_and(|word| is(word, known));
    let behind = |option: &str, count: usize| -> Vec<usize> {
        let found = rest.iter().position(|word| is(word, option)).map(|at| at + 2);
        found.map_or(Vec::new(), |first| (first..first + count).collect())
    };
    match name {
        name if is(name, "AUTH") => (1..words.len()).collect(),
        name if is(name, "HELLO") => behind("AUTH", 2),
        name if is(name, "MIGRATE") => [behind("AUTH", 1), behind("AUTH2", 2)].concat(),
        name if is(name, "ACL") && sub("SETUSER") => (2..words.len()).collect(),
        name if is(name, "ACL") && (sub("DELUSER") || sub("GETUSER")) && compat != Compat::Redis70 => {
            (2..words.len()).collect()
        }
        name if is(name, "CONFIG") && sub("SET") => {
            let is_secret = |at: &usize| {
                words.get(at - 1).is_some_and(|name| PARAMETERS.iter().any(|known| is(name, known)))
            };
            (3..words.len()).step_by(2).filter(is_secret).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_secret() {
        let secret = |line: &str| {
            let words: Vec<Bytes> = line.split(' ').map(Bytes::from).collect();
            secrets(&words, Compat::Redis70)
        };
        assert_eq!(secret("Auth ann pw"), [1, 2]);
        assert_eq!(secret("hello 3 auth ann pw setname x"), [3, 4]);
        assert_eq!(secret("config SET timeout 7 requirepass pw masterauth pw"), [5, 7]);
        assert_eq!(secret("migrate host 1 key 0 1 AUTH2 ann pw"), [7, 8]);
        assert_eq!(secret("acl setuser ann >pw"), [2, 3]);
        assert!(secret("get requirepass").is_empty() && secret("config get requirepass").is_empty());
    }
}
