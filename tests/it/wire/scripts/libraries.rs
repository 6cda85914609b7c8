//! cjson, cmsgpack, struct and bit: by hand, and with random values.

use super::{compare_all, compare_scripts};
use crate::differential::chance::Chance;
use crate::differential::variable;
use crate::wire::{Words, words};

#[test]
fn json_is_as_redis_has_it() {
    compare_scripts([
        "return cjson.encode({1, 2, 3})",
        "return cjson.encode({})",
        "return cjson.encode({a = 1})",
        "return cjson.encode({1, nil, 3})",
        "return cjson.encode({[1] = 1, [3] = 3})",
        "return cjson.encode({[1] = 1, [11] = 3})",
        "return cjson.encode({[20] = 3})",
        "return cjson.encode({[0] = 1})",
        "return cjson.encode({[1.5] = 1})",
        "return cjson.encode({[-1] = 'x'})",
        "return cjson.encode({[true] = 1})",
        "return cjson.encode({[cjson.null] = 1})",
        "return cjson.encode('a\"b\\\\c/d\\n\\t\\r\\b\\f\\0\\127\\200')",
        "return cjson.encode(nil)",
        "return cjson.encode(true)",
        "return cjson.encode(cjson.null)",
        "return cjson.encode({cjson.null, false, true})",
        "return cjson.encode(0.1)",
        "return cjson.encode(1/3)",
        "return cjson.encode(1e15)",
        "return cjson.encode(1e14)",
        "return cjson.encode(123456789012345678)",
        "return cjson.encode(-1.5e-7)",
        "return cjson.encode(2^53)",
        "return cjson.encode(1/0)",
        "return cjson.encode(0/0)",
        "return cjson.encode({a = 0/0})",
        "return cjson.encode(function() end)",
        "return cjson.encode({function() end})",
        "return cjson.encode(coroutine.create(function() end))",
        "return cjson.encode()",
        "return cjson.encode(1, 2)",
        "local t = {} t[1] = t return cjson.encode(t)",
        "local t = {} for i = 1, 999 do t = {t} end return #cjson.encode(t)",
        "local t = {} for i = 1, 1001 do t = {t} end return #cjson.encode(t)",
        "return cjson.decode()",
        "return cjson.decode(5)",
        "return cjson.decode({})",
        "return cjson.decode('[1, 2.5, \"x\", true, false, null]')",
        "return cjson.decode('{\"a\": {\"b\": [1, {\"c\": 2}]}}').a.b[2].c",
        "return cjson.decode('null') == cjson.null and 1",
        "return type(cjson.decode('null'))",
        "return cjson.decode('null')",
        "return cjson.decode('[]')",
        "return cjson.decode('{}')",
        "return cjson.decode(' \\t\\n\\r [ 1 , 2 ] ')",
        "return cjson.decode('\"\\\\u00e9\\\\u20ac\\\\ud83d\\\\ude00\\\\n\\\\/\\\\b\"')",
        "return cjson.decode('\"\\\\u0000\"')",
        "return cjson.decode('\"\\\\ud83d\"')",
        "return cjson.decode('\"\\\\ude00\"')",
        "return cjson.decode('\"\\\\u12\"')",
        "return cjson.decode('\"\\\\x\"')",
        "return cjson.decode('\"abc')",
        "return cjson.decode('\"a\\0b\"')",
        "return cjson.decode('\"a\\nb\"')",
        "return cjson.decode('')",
        "return cjson.decode('x')",
        "return cjson.decode('nul')",
        "return cjson.decode('[1,')",
        "return cjson.decode('[1 2]')",
        "return cjson.decode('[1,]')",
        "return cjson.decode('[,]')",
        "return cjson.decode('{1:2}')",
        "return cjson.decode('{\"a\" 1}')",
        "return cjson.decode('{\"a\":1 \"b\":2}')",
        "return cjson.decode('{\"a\":1,}')",
        "return cjson.decode('{\"a\":}')",
        "return cjson.decode('1 2')",
        "return cjson.decode('1]')",
        "return cjson.decode(']')",
        "return cjson.decode(':')",
        "return cjson.decode('\\0x')",
        "return cjson.decode('1\\0')",
        "return tostring(cjson.decode('0x10'))",
        "return tostring(cjson.decode('0x1p4'))",
        "return tostring(cjson.decode('0x'))",
        "return tostring(cjson.decode('inf'))",
        "return tostring(cjson.decode('-Infinity'))",
        "return tostring(cjson.decode('-nan'))",
        "return tostring(cjson.decode('+1'))",
        "return tostring(cjson.decode('01'))",
        "return tostring(cjson.decode('1.'))",
        "return tostring(cjson.decode('.5'))",
        "return tostring(cjson.decode('-.5'))",
        "return tostring(cjson.decode('-'))",
        "return tostring(cjson.decode('1e'))",
        "return tostring(cjson.decode('1e5'))",
        "return tostring(cjson.decode('1e400'))",
        "return tostring(cjson.decode('12345678901234567890'))",
        "return #cjson.decode(string.rep('[', 999) .. string.rep(']', 999))",
        "return cjson.decode(string.rep('[', 1001))",
        "return cjson.decode(string.rep('{\"a\":', 1001))",
        "local c = cjson.new() c.decode_max_depth(2) return c.decode('[[[1]]]')",
        "local c = cjson.new() c.encode_max_depth(2) return c.encode({{{1}}})",
        "local c = cjson.new() c.encode_number_precision(3) return c.encode(1/3)",
        "local c = cjson.new() return c.encode_number_precision(15)",
        "local c = cjson.new() return c.encode_max_depth(0)",
        "local c = cjson.new() return {c.encode_max_depth(), c.decode_max_depth(), c.encode_number_precision()}",
        "local c = cjson.new() c.encode_sparse_array(true) return c.encode({[20] = 1})",
        "local c = cjson.new() c.encode_sparse_array(false, 0) return c.encode({[12] = 1})",
        "local c = cjson.new() local a, b, d = c.encode_sparse_array() return {tostring(a), b, d}",
        "local c = cjson.new() c.encode_invalid_numbers(true) return c.encode({1/0, -1/0})",
        "local c = cjson.new() c.encode_invalid_numbers('null') return c.encode({1/0, -1/0})",
        "local c = cjson.new() return c.encode_invalid_numbers('what')",
        "local c = cjson.new() c.decode_invalid_numbers(false) return c.decode('0x10')",
        "local c = cjson.new() return tostring(c.decode_invalid_numbers()) .. tostring(c.encode_keep_buffer())",
        "local c = cjson.new() c.encode_keep_buffer(1, 2)",
        "return cjson._NAME .. cjson._VERSION",
    ]);
}

#[test]
fn packed_messages_are_as_redis_has_them() {
    compare_scripts([
        "return cmsgpack.pack()",
        "return cmsgpack.pack(nil)",
        "return cmsgpack.pack({})",
        "return cmsgpack.pack({a = 1})",
        "return cmsgpack.pack({1, 2, {3}})",
        "return cmsgpack.pack({[1] = 1, [3] = 3})",
        "return cmsgpack.pack({[0] = 1})",
        "return cmsgpack.pack({[1.5] = 1})",
        "return cmsgpack.pack(1, 'x', true, false, 1.5, 0.1)",
        "return cmsgpack.pack(function() end)",
        "local t = {} t[1] = t return cmsgpack.pack(t)",
        "local t = {} for i = 1, 20 do t[i] = i end return cmsgpack.pack(t)",
        "return cmsgpack.pack(string.rep('x', 31), string.rep('y', 32), string.rep('z', 256))",
        "return #cmsgpack.pack(string.rep('x', 70000))",
        "return tostring(cmsgpack.unpack('\\207\\255\\255\\255\\255\\255\\255\\255\\255'))",
        "return tostring(cmsgpack.unpack('\\207\\127\\255\\255\\255\\255\\255\\255\\255'))",
        "return {cmsgpack.unpack(cmsgpack.pack(1, 'x', {a = {1, 2}}, true))}",
        "return cmsgpack.unpack('')",
        "return cmsgpack.unpack()",
        "return cmsgpack.unpack({})",
        "return cmsgpack.unpack(string.char(0xc1))",
        "return cmsgpack.unpack(string.char(0xcd))",
        "return cmsgpack.unpack(string.char(0x92, 1))",
        "return cmsgpack.unpack(string.char(0xa3) .. 'ab')",
        "return cmsgpack.unpack(string.char(0xc7, 1, 1, 1))",
        "return cmsgpack.unpack(string.char(0xc4, 2) .. 'ab')",
        "return cmsgpack.unpack(string.rep(string.char(0x91), 100000))",
        "return cmsgpack.unpack(string.char(0xdf, 255, 255, 255, 255))",
        "return {cmsgpack.unpack_one(cmsgpack.pack(1, 2, 3))}",
        "return {cmsgpack.unpack_one(cmsgpack.pack(1, 2, 3), 2)}",
        "return {cmsgpack.unpack_one(cmsgpack.pack(1, 2, 3), 3)}",
        "return {cmsgpack.unpack_one('abc', 10)}",
        "return {cmsgpack.unpack_one('abc', -1)}",
        "return {cmsgpack.unpack_limit(cmsgpack.pack(1, 2, 3), 2)}",
        "return {cmsgpack.unpack_limit(cmsgpack.pack(1, 2, 3), 2, 1)}",
        "return {cmsgpack.unpack_limit(cmsgpack.pack(1, 2, 3), 0)}",
        "return {cmsgpack.unpack_limit('abc', -1)}",
        "return {cmsgpack.unpack_limit('abc')}",
        "return cmsgpack._VERSION .. cmsgpack._COPYRIGHT .. cmsgpack._DESCRIPTION .. cmsgpack._NAME",
    ]);
}

#[test]
fn structs_and_bits_are_as_redis_has_them() {
    compare_scripts([
        "return struct.pack('i', 1)",
        "return struct.pack('>I2 <i4 b B h H l L T', 1, -2, 3, 4, 5, 6, 7, 8, 9)",
        "return struct.pack('!4 b i', 1, 2)",
        "return struct.pack('!b l', 1, 2)",
        "return struct.pack('i3 i16', -5, -6)",
        "return struct.pack('f d', 1.5, 0.1)",
        "return struct.pack('>f >d x', 1.5, 0.1)",
        "return struct.pack('s c3 c0 c', 'hello', 'abcdef', 'xyz', 'q')",
        "return struct.pack('c5', 'abc')",
        "return struct.pack('i')",
        "return struct.pack('i i', 1)",
        "return struct.pack('i', 'x')",
        "return struct.pack('q', 1)",
        "return struct.pack('i33', 1)",
        "return struct.pack('!3i', 1)",
        "return struct.pack('I4', 3e9)",
        "return struct.pack('b', 300)",
        "return struct.pack()",
        "return {struct.unpack('i', struct.pack('i', -7))}",
        "return {struct.unpack('>I2 <i4 b B', struct.pack('>I2 <i4 b B', 1, -2, -3, 254))}",
        "return {struct.unpack('s i', struct.pack('s i', 'hello', 5))}",
        "return {struct.unpack('b c0', struct.pack('b', 3) .. 'abcdef')}",
        "return {struct.unpack('i3', 'abc')}",
        "return {struct.unpack('i', 'abcdefgh', 3)}",
        "return {struct.unpack('!4 b i', struct.pack('!4 b i', 1, 2))}",
        "local a, b = struct.unpack('f d', struct.pack('f d', 1.5, 0.1)) return tostring(a) .. tostring(b)",
        "return {struct.unpack('i', 'abc')}",
        "return {struct.unpack('i', 'abcd', 0)}",
        "return {struct.unpack('i', 'abcd', 9)}",
        "return {struct.unpack('c0', 'abcd')}",
        "return {struct.unpack('s c0', 'ab\\0cd')}",
        "return {struct.unpack('s', 'abcd')}",
        "return {struct.unpack('b c0', string.char(9) .. 'ab')}",
        "return struct.size('i')",
        "return struct.size('!8 b l')",
        "return struct.size('c10 x f d')",
        "return struct.size('s')",
        "return struct.size('c0')",
        "return struct.size('z')",
        "return struct.size('?')",
        "return struct.size()",
        "return {bit.tobit(2^32 + 5), bit.tobit(-1), bit.tobit(2^31), bit.tobit(1.5), bit.tobit(2.5)}",
        "return {bit.bnot(0), bit.bnot(5), bit.bswap(0x12345678)}",
        "return {bit.band(7, 12, 6), bit.bor(1, 2, 8), bit.bxor(5, 3, 1), bit.band(5)}",
        "return {bit.lshift(1, 31), bit.lshift(1, 32), bit.rshift(-1, 4), bit.arshift(-16, 2), bit.rol(1, 33)}",
        "return {bit.ror(1, 1), bit.lshift(1, -1)}",
        "return {bit.tohex(255), bit.tohex(-1, 4), bit.tohex(255, -4), bit.tohex(255, 0), bit.tohex(255, 20)}",
        "return bit.band()",
        "return bit.band('x')",
        "return bit.band('12', 4)",
        "return bit.lshift(1)",
        "return bit.tohex()",
        "return bit.bnot({})",
    ]);
}

/// A value as Lua writes it; tables have names of one kind, since the order of others is left open.
fn value(chance: &mut Chance, depth: usize) -> String {
    match chance.below(if depth > 3 { 6 } else { 8 }) {
        0 => chance.number().to_string(),
        1 => chance.pick(&["0.5", "-1.25", "1e10", "1/3", "1e-7", "123456.789", "2^40", "-2^31"]).into(),
        2 => chance.pick(&["true", "false", "cjson.null"]).into(),
        3..=5 => {
            let bytes = chance.value();
            let escaped: String = bytes.iter().map(|byte| format!("\\{byte:03}")).collect();
            format!("'{escaped}'")
        }
        6 => format!("{{{}}}", chance.many(0, 20, |chance| value(chance, depth + 1)).join(", ")),
        _ => format!("{{name = {}}}", value(chance, depth + 1)),
    }
}

#[test]
fn random_values_are_written_and_read_alike() {
    let mut chance = Chance::new(variable("LARDER_SEED").unwrap_or(7));
    let mut commands: Vec<Words> = Vec::new();
    for _ in 0..variable("LARDER_ROUNDS").map_or(150, |rounds| 10 * rounds) {
        let value = value(&mut chance, 0);
        let packed = value.replace("cjson.null", "false");
        let bytes = chance.value();
        let number = chance.number();
        let format =
            chance.pick(&["i", ">i", "I3", ">h", "<l", ">L", "b", "!4 b i", "!8 b d", "f", ">d", "i7"]);
        let (a, b) = (chance.number(), chance.below(40));
        let op = chance.pick(&["lshift", "rshift", "arshift", "rol", "ror", "band", "bor", "bxor"]);
        for script in [
            format!("return cjson.encode({value})"),
            format!("return cjson.encode(cjson.decode(cjson.encode({value})))"),
            format!("return cmsgpack.pack({packed})"),
            format!("return {{cmsgpack.unpack(cmsgpack.pack({packed}, 1))}}"),
            format!("return struct.pack('{format}', {}, 5)", number % (1 << 31)),
            format!("return {{struct.unpack('{format}', struct.pack('{format}', {}, 5))}}", number % 100),
            format!("return {{bit.{op}({}, {b}), bit.tohex({a} % 65536, {b} - 20)}}", a % (1 << 40)),
        ] {
            commands.push(words!["EVAL", script, "0"]);
        }
        for script in ["return {pcall(cjson.decode, ARGV[1])}", "return {pcall(cmsgpack.unpack, ARGV[1])}"] {
            commands.push(words!["EVAL", script, "0", bytes.clone()]);
        }
        let json = spoilt(&mut chance);
        commands.push(words!["EVAL", "return cjson.encode(cjson.decode(ARGV[1]))", "0", json]);
    }
    compare_all(&commands);
}

/// JSON with something wrong in it, as a rule.
fn spoilt(chance: &mut Chance) -> Vec<u8> {
    const JSON: &str = "[{\"a\":[1,-2.5e3,\"x\\u00e9\\n\",true,false,null,{\"b\":{}}]},\"\",[[]] ]";
    let mut json = JSON.as_bytes().to_vec();
    for _ in 0..chance.below(3) {
        let at = chance.below(json.len());
        match chance.below(3) {
            0 => drop(json.remove(at)),
            1 => json[at] = chance.pick(b"{}[]:,\"\\01xe-. "),
            _ => json.truncate(at.max(1)),
        }
    }
    json
}
