//! How requests may be written.

/// Whose requests they are: Valkey is stricter from 9 on about lines, and less so about quotes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Style {
    #[default]
    Redis,
    #[cfg_attr(not(feature = "server"), allow(dead_code, reason = "a server's clients alone"))]
    Valkey9,
}

impl Style {
    /// Whether a line or an argument may end so: in Redis the two bytes behind it may be anything.
    pub(super) fn takes_end(self, bytes: &[u8]) -> bool {
        self == Style::Redis || bytes.starts_with(b"\r\n")
    }

    /// Whether a word may go on behind a closing quote.
    pub(super) fn goes_on_behind_quotes(self) -> bool {
        self == Style::Valkey9
    }
}
