//! What Rust builds for a script: the state's limit does not see it, and no instruction passes meanwhile.

use std::sync::Arc;

use mlua::Lua;

use super::raise;
use super::signals::Signals;
use crate::table::Compat;

/// Bytes that the scripts and functions of a store may use at a time; and what Rust may build from their values, once more.
pub(super) const MEMORY: usize = 256 << 20;
pub(super) const OUT_OF_MEMORY: &str = "ERR not enough memory: the scripts of a store have 256 MB";

/// How many of Lua's values Rust may hold at a time: mlua keeps them on a stack of 8,000, and panics where it is full.
pub(super) const HELD: usize = 7_800;

/// Items between two looks at whether the script has been killed.
const STEP: u32 = 4_096;
/// What an item takes at the least, so that there is an end to those without bytes too.
const ITEM: usize = 16;

/// See the [module](self). One for each value that is turned into something.
pub(super) struct Budget {
    left: usize,
    items: u32,
    signals: Option<Arc<Signals>>,
    compat: Compat,
}

impl Budget {
    pub(super) fn new(lua: &Lua) -> Budget {
        let signals = lua.app_data_ref::<Arc<Signals>>().map(|signals| Arc::clone(&signals));
        let compat = lua.app_data_ref::<Compat>().map_or_else(Compat::default, |compat| *compat);
        Budget { left: MEMORY, items: 0, signals, compat }
    }

    /// One item more, of so many bytes.
    ///
    /// # Errors
    /// If that is too much, or the script has been killed.
    pub(super) fn take(&mut self, bytes: usize) -> mlua::Result<()> {
        let left = self.left.checked_sub(bytes.saturating_add(ITEM));
        self.left = left.ok_or_else(|| raise::reply(OUT_OF_MEMORY))?;
        self.look()
    }

    /// One item more that takes nothing.
    ///
    /// # Errors
    /// If the script has been killed.
    pub(super) fn look(&mut self) -> mlua::Result<()> {
        self.items = self.items.wrapping_add(1);
        if self.items % STEP == 0 {
            if let Some(signals) = self.signals.as_ref().filter(|signals| signals.is_killed()) {
                return Err(raise::reply(signals.killed(self.compat)));
            }
        }
        Ok(())
    }

    /// Whether so many items are still to come, which is known before they are made.
    ///
    /// # Errors
    /// If they are too many.
    pub(super) fn expect(&self, items: usize) -> mlua::Result<()> {
        if items > self.left / ITEM { Err(raise::reply(OUT_OF_MEMORY)) } else { Ok(()) }
    }
}
