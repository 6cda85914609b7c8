//! The libraries that scripts have beside Lua's own.

pub(super) mod arguments;
mod bit;
mod cjson;
mod cmsgpack;
mod structs;

use mlua::{Lua, Table};

use super::random::Random;
use crate::table::Compat;

/// All libraries by their names, as a server of that kind has them.
pub(super) fn all(lua: &Lua, compat: Compat, random: Random) -> mlua::Result<Table> {
    let globals = lua.globals();
    let libraries = lua.create_table()?;
    for name in ["math", "string", "table"] {
        libraries.raw_set(name, globals.raw_get::<Table>(name)?)?;
    }
    let math: Table = libraries.raw_get("math")?;
    math.raw_set("random", random.clone().random(lua)?)?;
    math.raw_set("randomseed", random.random_seed(lua)?)?;
    libraries.raw_set("bit", bit::library(lua)?)?;
    libraries.raw_set("cjson", cjson::library(lua, compat)?)?;
    libraries.raw_set("cmsgpack", cmsgpack::library(lua, compat)?)?;
    libraries.raw_set("struct", structs::library(lua)?)?;
    if compat.redis() >= (7, 4) || compat == Compat::Valkey9 {
        let os = lua.create_table()?;
        os.raw_set("clock", globals.raw_get::<Table>("os")?.raw_get::<mlua::Function>("clock")?)?;
        libraries.raw_set("os", os)?;
    }
    Ok(libraries)
}
