//! `math.random` as Redis has it: the 48-bit generator of POSIX's `lrand48`, from the store's seed.

use mlua::{Function, Lua, MultiValue};

use super::libs::arguments;
use super::raise;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};

const MASK: u64 = (1 << 48) - 1;

/// See the [module](self).
#[derive(Clone, Default)]
pub(super) struct Random(Arc<AtomicU64>);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random(Arc::new(AtomicU64::new(seed & MASK)))
    }

    fn seed(&self, seed: u32) {
        self.0.store((u64::from(seed) << 16) | 0x330e, Ordering::Relaxed);
    }

    /// 31 bits.
    fn next(&self) -> u32 {
        let state = self.0.load(Ordering::Relaxed).wrapping_mul(0x5_deec_e66d).wrapping_add(0xb) & MASK;
        self.0.store(state, Ordering::Relaxed);
        (state >> 17) as u32
    }

    /// `math.random`
    pub(super) fn random(self, lua: &Lua) -> mlua::Result<Function> {
        lua.create_function(move |lua, given: MultiValue| {
            const MOST: u32 = i32::MAX as u32;
            let r = f64::from(self.next() % MOST) / f64::from(MOST);
            match given.len() {
                0 => Ok(r),
                1 => {
                    let upper = arguments::integer(lua, &given, 1)?;
                    if upper < 1 {
                        return Err(raise::argument(lua, 1, "interval is empty"));
                    }
                    Ok((r * upper as f64).floor() + 1.0)
                }
                2 => {
                    let (lower, upper) =
                        (arguments::integer(lua, &given, 1)?, arguments::integer(lua, &given, 2)?);
                    if lower > upper {
                        return Err(raise::argument(lua, 2, "interval is empty"));
                    }
                    Ok((r * (i128::from(upper) - i128::from(lower) + 1) as f64).floor() + lower as f64)
                }
                _ => Err(raise::at_caller(lua, "wrong number of arguments")),
            }
        })
    }

    /// `math.randomseed`
    pub(super) fn random_seed(self, lua: &Lua) -> mlua::Result<Function> {
        lua.create_function(move |lua, given: MultiValue| {
            self.seed(arguments::integer(lua, &given, 1)? as u32);
            Ok(())
        })
    }
}
