-- What scripts see of Lua: globals and libraries that cannot be changed, and errors as Redis gives them.
-- Called once for each state with what Rust provides; gives what Rust calls.

local native, libraries = ...
local error, type, select, pairs, next, rawget, rawset, rawequal, setmetatable, getmetatable, pcall, xpcall,
      tonumber, tostring, unpack, load, loadstring, setfenv, byte, find, match, gmatch, gsub =
      error, type, select, pairs, next, rawget, rawset, rawequal, setmetatable, getmetatable, pcall, xpcall,
      tonumber, tostring, unpack, load, loadstring, setfenv, string.byte, string.find, string.match, string.gmatch,
      string.gsub
local floor = math.floor
local create, resume, running, yield = coroutine.create, coroutine.resume, coroutine.running, coroutine.yield

local READONLY = "Attempt to modify a readonly table"

-- What stands in for a table that must not change, to that table; and to the metatable that scripts may see.
local hidden, shown = {}, {}

local function refuse()
  error(READONLY, 2)
end

local function guard(table)
  local guarded = setmetatable({}, { __index = table, __newindex = refuse, __metatable = false })
  hidden[guarded] = table
  return guarded
end

local function missing(_, name)
  error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end

local function got(...)
  return select('#', ...) == 0 and "no value" or type((...))
end

local function check_table(name, ...)
  if type((...)) ~= 'table' then
    error("bad argument #1 to '" .. name .. "' (table expected, got " .. got(...) .. ")", 3)
  end
end

-- One that stands at many places, and so cannot be replaced by another.
local function freeze(table)
  hidden[table] = {}
  setmetatable(table, { __newindex = refuse, __metatable = false })
end

-- An error as a script may see it, without a place in here.
local function value_of(caught)
  if type(caught) == 'userdata' then
    return native.value_of(caught)
  elseif type(caught) == 'string' then
    return (gsub(caught, '^sandbox:%d+: ', ''))
  end
  return caught
end

-- Lua's own pcall pushes a flag behind however many results there are, and aborts where it is built with checks of
-- its own: so many go through it in a table.
local MANY = 16

local function few(...)
  local count = select('#', ...)
  if count < MANY then
    return count, ...
  end
  return count, { ... }
end

local function run(...)
  return few((...)(select(2, ...)))
end


-- pcall gives the text of an error of Redis's own, not its table.
local function called(ok, count, ...)
  if ok and count < MANY then
    return true, ...
  elseif ok then
    return true, unpack((...), 1, count)
  end
  local caught = value_of(count)
  if type(caught) == 'table' then
    local text = rawget(caught, 'err')
    if type(text) == 'string' or type(text) == 'number' then
      return false, text
    end
  end
  return false, caught
end

-- Compiled code could do anything: what begins as such is read as text, which it is not.
local function as_text(chunk)
  return byte(chunk, 1) == 27 and ' ' .. chunk or chunk
end

-- What an error is to who has called the script. It is told where it happened, which a guard may not be; that is in the
-- script, also of what C has said in here.
local function failed(caught, ...)
  if hidden[caught] then
    return native.failed({}, ...)
  elseif type(caught) == 'string' then
    local text, count = gsub(caught, '^sandbox:%d+: ', '')
    return native.failed(count > 0 and (native.place() or '') .. text or text, ...)
  end
  return native.failed(caught, ...)
end

-- A script's reply is the first of its values. They do not go through xpcall, for the same reason.
local function first(...)
  return (...)
end

local base = {
  _VERSION = _VERSION,
  assert = assert,
  collectgarbage = collectgarbage,
  error = error,
  gcinfo = gcinfo,
  ipairs = ipairs,
  rawequal = rawequal,
  select = select,
  tonumber = tonumber,
  tostring = tostring,
  type = type,
}

function base.getmetatable(...)
  if select('#', ...) == 0 then
    error("bad argument #1 to 'getmetatable' (value expected)", 2)
  end
  local value = ...
  if type(value) == 'string' then
    return shown['']
  elseif hidden[value] then
    return shown[value]
  end
  return getmetatable(value)
end

-- The globals of what runs now, which is what a chunk sees that it compiles.
local current

-- The name of a chunk as C has it, up to a zero. C does not hold on to it when it asks for the first piece again, which was
-- empty (CVE-2025-49844): so it stands on the stack. No script may have the name of this file.
local function named(name)
  if type(name) ~= 'string' then
    return name
  end
  name = match(name, '^%Z*')
  return name == '=sandbox' and '@sandbox' or name
end

local function compiled(chunk, failure)
  if chunk then
    return setfenv(chunk, current)
  end
  return chunk, value_of(failure)
end

function base.load(reader, name)
  if type(reader) ~= 'function' then
    error("bad argument #1 to 'load' (function expected, got " .. type(reader) .. ")", 2)
  end
  local begun = false
  return compiled(load(function()
    local piece = reader()
    if not begun and (type(piece) == 'string' or type(piece) == 'number') then
      begun = true
      return as_text(piece)
    end
    return piece
  end, named(name or '=(load)')))
end

function base.loadstring(...)
  local text, name = ...
  if type(text) ~= 'string' and type(text) ~= 'number' then
    error("bad argument #1 to 'loadstring' (string expected, got " .. got(...) .. ")", 2)
  end
  return compiled(loadstring(as_text(text), named(name or text)))
end

function base.next(...)
  check_table('next', ...)
  local table, key = ...
  return next(hidden[table] or table, key)
end

function base.pairs(...)
  check_table('pairs', ...)
  local table = ...
  local real = hidden[table]
  if real then
    return function(_, key) return next(real, key) end, table, nil
  end
  return next, table, nil
end

function base.pcall(...)
  return called(pcall(run, ...))
end

function base.rawget(...)
  check_table('rawget', ...)
  local table, key = ...
  return rawget(hidden[table] or table, key)
end

function base.rawset(...)
  check_table('rawset', ...)
  local table, key, value = ...
  if hidden[table] then
    error(READONLY, 0)
  end
  return rawset(table, key, value)
end

function base.setmetatable(...)
  check_table('setmetatable', ...)
  local table, metatable = ...
  if hidden[table] then
    error(READONLY, 0)
  elseif select('#', ...) < 2 or (metatable ~= nil and type(metatable) ~= 'table') then
    error("bad argument #2 to 'setmetatable' (nil or table expected)", 2)
  end
  if not pcall(setmetatable, table, metatable) then
    error("cannot change a protected metatable", 2)
  end
  return table
end

local function handled(ok, count, ...)
  if ok and count < MANY then
    return true, ...
  elseif ok then
    return true, unpack((...), 1, count)
  end
  return false, count
end

-- How many values can be handed over at a time: Lua's stack holds 8,000 for C.
local MOST = 7900

-- A number as C takes it for an `int`.
local function int(number)
  if number ~= number or number >= 2^63 or number < -2^63 then
    return 0
  end
  number = number < 0 and -floor(-number) or floor(number)
  if number >= -2^31 and number < 2^31 then
    -- Of which there is one zero.
    return number + 0
  end
  number = number % 2^32
  return number < 2^31 and number or number - 2^32
end

-- Lua's own counts them in an `int`, which may run over.
function base.unpack(...)
  local table, first, last = ...
  if type(table) ~= 'table' then
    native.argument(1, 'unpack', 'table expected, got ' .. got(...), 1)
  end
  if first == nil and last == nil and #table < MOST then
    return unpack(...)
  end
  first, last = first == nil and 1 or tonumber(first), last == nil and #table or tonumber(last)
  if not first or not last then
    local at = first and 3 or 2
    native.argument(at, 'unpack', 'number expected, got ' .. type((select(at, ...))), 1)
  elseif int(last) - int(first) >= MOST then
    error("too many results to unpack", 2)
  end
  return unpack(...)
end

function base.xpcall(body, handler)
  return handled(xpcall(function() return run(body) end, function(caught)
    -- Nobody looks at whether it is killed while a handler runs.
    if native.is_killed() then
      return caught
    end
    return handler(value_of(caught))
  end))
end

-- As pcall does, resume pushes a flag to the values of a coroutine.
local made = setmetatable({}, { __mode = 'k' })

local function resumed(ok, count, ...)
  if ok and count < MANY then
    return true, ...
  elseif ok then
    return true, unpack((...), 1, count)
  end
  return false, value_of(count)
end

-- One that `wrap` has made gives its values as they are.
local function cleaned(ok, ...)
  if ok then
    return ok, ...
  end
  return ok, value_of((...))
end

local coroutines = {}
for name, member in pairs(coroutine) do
  coroutines[name] = member
end
function coroutines.create(body)
  if type(body) ~= 'function' then
    error("bad argument #1 to 'create' (Lua function expected)", 2)
  end
  local thread = create(function(...) return few(body(...)) end)
  made[thread] = true
  return thread
end
function coroutines.resume(...)
  local thread = ...
  if thread ~= nil and made[thread] then
    return resumed(resume(...))
  end
  return cleaned(resume(...))
end
function coroutines.yield(...)
  local thread = running()
  if thread and made[thread] then
    return yield(few(...))
  end
  return yield(...)
end
libraries.coroutine = coroutines

-- Up to 2^31 steps, between which C would not look at whether it is killed.
local function insert_before(table, place, value)
  for at = #table + 1, place + 1, -1 do
    if at % 4096 == 0 and native.is_killed() then
      return
    end
    rawset(table, at, rawget(table, at - 1))
  end
  rawset(table, place, value)
end

-- Of Lua's own functions the one that writes past a guard.
local insert = libraries.table.insert
function libraries.table.insert(...)
  local count, table, place = select('#', ...), ...
  if type(table) ~= 'table' then
    check_table('insert', ...)
  elseif hidden[table] then
    error(READONLY, 0)
  elseif count < 2 or count > 3 then
    error("wrong number of arguments to 'insert'", 2)
  elseif count == 3 and not tonumber(place) then
    error("bad argument #2 to 'insert' (number expected, got " .. type(place) .. ")", 2)
  elseif count == 3 and int(tonumber(place)) < 1 then
    return insert_before(table, int(tonumber(place)), (select(3, ...)))
  end
  return insert(...)
end

-- Matching takes the C stack for each item that can match in more than one way, and for each capture: so many are no harm.
-- Short patterns that were looked at once are known.
local ITEMS, SHORT, KNOWN = 500, 500, 1000
local known, known_count = {}, 0

local function check_match(name, ...)
  for at = 1, 2 do
    local value = select(at, ...)
    if type(value) ~= 'string' and type(value) ~= 'number' then
      native.argument(at, name, 'string expected, got ' .. got(select(at, ...)))
    end
  end
  local _, pattern, _, is_plain = ...
  if type(pattern) ~= 'string' then
    return
  elseif #pattern <= SHORT then
    if known_count == KNOWN then
      known, known_count = {}, 0
    end
    known[pattern], known_count = true, known_count + 1
  elseif name ~= 'find' or not is_plain then
    local _, items = gsub(gsub(pattern, '%%.', ''), '[*+?()-]', '')
    if items > ITEMS then
      error("pattern too complex", 3)
    end
  end
end

local strings = libraries.string

function strings.find(...)
  local _, pattern = ...
  if not known[pattern] then
    check_match('find', ...)
  end
  return find(...)
end

function strings.match(...)
  local _, pattern = ...
  if not known[pattern] then
    check_match('match', ...)
  end
  return match(...)
end

function strings.gmatch(...)
  local _, pattern = ...
  if not known[pattern] then
    check_match('gmatch', ...)
  end
  return gmatch(...)
end

function strings.gsub(...)
  local _, pattern, by = ...
  if not known[pattern] then
    check_match('gsub', ...)
  end
  local kind = type(by)
  if kind == 'function' or kind == 'table' then
    -- It takes much of the stack while it calls back.
    if native.is_deep() then
      error("C stack overflow", 2)
    end
  elseif kind ~= 'string' and kind ~= 'number' then
    native.argument(3, 'gsub', 'string/function/table expected', 1)
  end
  return gsub(...)
end

-- The name that it had before.
if strings.gfind then
  strings.gfind = strings.gmatch
end

if libraries.cjson.array_mt then
  freeze(libraries.cjson.array_mt)
end

-- All that can be named, in a run: what is the same for scripts and functions, and then what is not.
local function globals(own)
  local all = setmetatable({}, { __index = missing })
  for name, value in pairs(own) do
    all[name] = value
  end
  local guarded = guard(all)
  all._G = guarded
  shown[guarded] = guard({ __index = missing })
  return guarded, all
end

local common = {}
for name, value in pairs(base) do
  common[name] = value
end
for name, library in pairs(libraries) do
  common[name] = guard(library)
end
shown[''] = guard({ __index = common.string })

local function copy(of, ...)
  local copied = {}
  for name, value in pairs(of) do
    copied[name] = value
  end
  for _, name in pairs({ ... }) do
    copied[name] = nil
  end
  return copied
end

-- Scripts have all of `redis`, and errors find the handler by its name.
common[native.name] = guard(native.api)
if native.also then
  common[native.also] = common[native.name]
end
common.__redis__err__handler = failed
if native.also then
  common.__server__err__handler = failed
end
local script_globals, script_all = globals(common)

-- Functions lack what belongs to scripts.
local function_api = guard(copy(native.api, 'breakpoint', 'debug', 'replicate_commands'))
common[native.name] = function_api
if native.also then
  common[native.also] = function_api
end
common.__redis__err__handler = nil
common.__server__err__handler = nil
local _, function_all = globals(common)

-- A library that is being loaded can do little but register.
local load_api = guard(setmetatable(native.load_api, { __index = missing }))
local load_all = setmetatable({}, { __index = missing })
load_all[native.name] = load_api
if native.also then
  load_all[native.also] = load_api
end

-- What the globals of functions lead to changes while a library is loaded: they are one table.
local function_meta = { __index = missing, __newindex = refuse, __metatable = false }
local library_globals = setmetatable({}, function_meta)
hidden[library_globals] = function_all
shown[library_globals] = guard({ __index = missing })
function_all._G = library_globals
load_all._G = library_globals

return script_globals, library_globals,
  function(body, keys, argv)
    rawset(script_all, 'KEYS', keys)
    rawset(script_all, 'ARGV', argv)
    function_meta.__index = missing
    current = script_globals
    local ok, result = xpcall(function() return first(body()) end, failed)
    return ok, result
  end,
  function(body, keys, args)
    current = library_globals
    function_meta.__index = function_all
    local ok, result = xpcall(function() return first(body(keys, args)) end, failed)
    return ok, result
  end,
  function(body)
    current = library_globals
    function_meta.__index = load_all
    local ok, result = xpcall(function() return first(body()) end, failed)
    return ok, result
  end
