//! What is known of scripts, whether or not there can be any.

use crate::table::call::Call;

/// How many scripts are kept, libraries and functions are there, and scripts have made room for others.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ScriptCounts {
    pub scripts: usize,
    pub libraries: usize,
    pub functions: usize,
    pub evicted: usize,
    /// What the texts take and what is known of them, in bytes.
    pub script_bytes: usize,
    pub library_bytes: usize,
    /// What the Lua state takes, and what stands around it.
    pub memory: usize,
    pub overhead: usize,
}

pub(in crate::table) fn scripts(call: &Call<'_>) -> ScriptCounts {
    #[cfg(feature = "lua")]
    {
        call.shared().scripts.counts(call.session)
    }
    #[cfg(not(feature = "lua"))]
    {
        let _ = call;
        ScriptCounts::default()
    }
}
