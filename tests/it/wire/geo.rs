//! GEOADD, GEOSEARCH, GEORADIUS and their kin.

use larder::{Compat, Reply, Store};

use super::{Words, compare_runs, spoil, word, words};
use crate::differential::chance::Chance;

#[test]
fn positions_are_byte_for_byte_those_of_redis() {
    compare_runs("geo", |chance| {
        // Where most of a run's members lie: close together, in a country, or anywhere.
        let ground = Ground {
            longitude: chance.below(340) as f64 - 170.0,
            latitude: chance.below(170) as f64 - 85.0,
            width: chance.pick(&[0.001, 0.1, 10.0, 360.0]),
        };
        (0..super::COMMANDS)
            .map(|_| {
                let words = ground.draw(chance);
                spoil(chance, words)
            })
            .collect()
    });
}

#[test]
fn numbers_are_written_as_the_server_writes_them() {
    let store = Store::new();
    let sessions = [Compat::Redis72, Compat::Redis82, Compat::Redis810, Compat::Valkey9]
        .map(|compat| store.session().compat(compat));
    let [mut older, mut newer, newest, mut valkey] = sessions;
    assert_eq!(older.call(["GEOADD", "sicily", "13.361389", "38.115556", "Palermo"]), Reply::Integer(1));
    let reply = older.call(["GEOPOS", "sicily", "Palermo"]);
    let long: &[u8] = b"*1\r\n*2\r\n$20\r\n13.36138933897018433\r\n$20\r\n38.11555639549629859\r\n";
    let short: &[u8] = b"*1\r\n*2\r\n$18\r\n13.361389338970184\r\n$16\r\n38.1155563954963\r\n";
    assert_eq!((older.encode(&reply), valkey.encode(&reply)), (long.to_vec(), long.to_vec()));
    assert_eq!((newer.encode(&reply), newest.encode(&reply)), (short.to_vec(), short.to_vec()));
    for session in [&mut newer, &mut valkey] {
        session.call(["HELLO", "3"]);
    }
    assert_eq!(newer.encode(&reply), b"*1\r\n*2\r\n,13.361389338970184\r\n,38.1155563954963\r\n");
    assert_eq!(valkey.encode(&reply), b"*1\r\n*2\r\n,13.36138933897018433\r\n,38.11555639549629859\r\n");
}

#[test]
fn polygons_are_those_of_valkey() {
    let store = Store::new();
    let mut session = store.session().compat(Compat::Valkey9);
    let error = |reply: Reply| match reply {
        Reply::Error(error) => error.to_string(),
        other => panic!("no error: {other:?}"),
    };
    // What a live Valkey 9.1 answers.
    session.call([
        "GEOADD",
        "p",
        "13.361389",
        "38.115556",
        "Palermo",
        "12.5",
        "41.9",
        "Rome",
        "15",
        "38.3",
        "mid",
    ]);
    let triangle = ["BYPOLYGON", "3", "10", "35", "20", "35", "15", "45"];
    let search = |more: &[&'static str]| [&["GEOSEARCH", "p"], &triangle[..], more].concat();
    let found = session.call(search(&["WITHDIST", "ASC"]));
    let with_distance = |member: &str, distance: &str| {
        Reply::Array(vec![Reply::Bulk(member.into()), Reply::Bulk(distance.into())])
    };
    assert_eq!(
        found,
        Reply::Array(vec![with_distance("mid", "11542.7168"), with_distance("Palermo", "146654.5486")])
    );
    for (count, vertices) in
        [("2", "1 1"), ("-3", "1 1"), ("4", "1 1 2 2 3 3 4"), ("2147483647", "1 1 2 2 3 3")]
    {
        let words = ["GEOSEARCH", "p", "ASC", "DESC", "ASC", "BYPOLYGON", count].into_iter();
        let reply = session.call(words.chain(vertices.split(' ')));
        assert_eq!(error(reply), "ERR GEOSEARCH BYPOLYGON must have at least 3 vertices", "{count}");
    }
    let reply = session.call(["GEOSEARCH", "p", "ASC", "ASC", "BYPOLYGON", "2147483648", "1"]);
    assert_eq!(error(reply), "ERR invalid number of vertices");
    for more in
        [&["BYRADIUS", "1", "km"][..], &["FROMLONLAT", "1", "1"], &["FROMMEMBER", "mid"], &["STOREDIST"]]
    {
        assert_eq!(error(session.call(search(more))), "ERR syntax error");
    }
    assert_eq!(error(store.session().call(search(&[]))), "ERR syntax error");
    let missing = ["GEOSEARCH", "p", "FROMMEMBER", "x\0y", "BYRADIUS", "1", "m"];
    assert_eq!(error(session.call(missing)), "ERR member x does not exist");
    assert_eq!(error(store.session().call(missing)), "ERR could not decode requested zset member");
}

/// A part of the earth.
struct Ground {
    longitude: f64,
    latitude: f64,
    /// In degrees.
    width: f64,
}

impl Ground {
    fn draw(&self, chance: &mut Chance) -> Words {
        let key = key(chance);
        match chance.below(30) {
            0..=6 => {
                let options = chance.many(0, 1, |chance| word(&chance.pick(&["NX", "xx", "CH", "CH", "GT"])));
                let entries =
                    chance.many(1, 6, |chance| [self.position(chance), words![member(chance)]].concat());
                [words!["GEOADD", key], options, entries.concat()].concat()
            }
            // Enough for a tree.
            7 => {
                let entries = chance.many(80, 300, |chance| {
                    [self.position(chance), words![format!("m{}", chance.below(2_000))]].concat()
                });
                [words!["GEOADD", key], entries.concat()].concat()
            }
            // No position, but some score.
            8 => {
                words!["ZADD", key, chance.pick(&["-1", "1.5", "1e17", "inf", "-inf", "9e18", "2e19"]), "odd"]
            }
            9 => [words!["GEOPOS", key], chance.many(0, 3, member)].concat(),
            10 => [words!["GEOHASH", key], chance.many(0, 3, member)].concat(),
            11 | 12 => {
                let unit = chance.many(0, 1, unit);
                [words!["GEODIST", key, member(chance), member(chance)], unit].concat()
            }
            13..=18 => [words!["GEOSEARCH", key], self.search(chance), options(chance, "")].concat(),
            19..=21 => {
                let options = options(chance, "STOREDIST");
                let stores_distances = options.contains(&word(&"STOREDIST"));
                let destination = if stores_distances { DISTANCES } else { self::key(chance) };
                [words!["GEOSEARCHSTORE", destination, key], self.search(chance), options].concat()
            }
            22 | 23 => {
                let name = chance.pick(&["GEORADIUS", "GEORADIUS", "GEORADIUS_RO"]);
                let around = [self.position(chance), self.radius(chance)].concat();
                [words![name, key], around, options(chance, "STORE")].concat()
            }
            24 | 25 => {
                let name = chance.pick(&["GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER", "georadiusbymember_ro"]);
                [words![name, key, member(chance)], self.radius(chance), options(chance, "STORE")].concat()
            }
            26 => words!["ZRANGE", chance.pick(&[key, DISTANCES]), 0, -1, "WITHSCORES"],
            27 => words!["ZREM", key, member(chance)],
            28 => words!["DEL", key],
            _ if chance.one_in(3) => super::fill::draw(chance),
            _ => words!["ZCARD", key],
        }
    }

    fn position(&self, chance: &mut Chance) -> Words {
        const RARE: [&str; 10] =
            ["180", "-180", "85.05112878", "-85.05112878", "85.06", "181", "nan", "inf", "0", "x"];
        let mut degrees = |middle: f64, most: f64| {
            if chance.one_in(60) {
                return word(&chance.pick(&RARE));
            }
            // Not twice the same place: the order of what is equally far away is left open.
            let (least, greatest) =
                ((middle - self.width / 2.0).max(-most), (middle + self.width / 2.0).min(most));
            let part = chance.below(1_000_000_000) as f64 / 1_000_000_000.0;
            word(&format!("{:.9}", least + part * (greatest - least)))
        };
        vec![degrees(self.longitude, 180.0), degrees(self.latitude, 85.05)]
    }

    /// A length and its unit.
    fn length(&self, chance: &mut Chance) -> Vec<u8> {
        match chance.below(30) {
            0 => word(&chance.pick(&["0", "-1", "inf", "1e300", "x", "nan", "1e-9"])),
            _ => word(&format!("{:.3}", self.width * chance.below(1_000) as f64 / 10.0)),
        }
    }

    fn radius(&self, chance: &mut Chance) -> Words {
        words![self.length(chance), unit(chance)]
    }

    fn search(&self, chance: &mut Chance) -> Words {
        let from = |chance: &mut Chance| match chance.below(12) {
            0..=5 => [words!["FROMLONLAT"], self.position(chance)].concat(),
            6..=10 => words!["frommember", member(chance)],
            _ => words![],
        };
        let by = |chance: &mut Chance| match chance.below(12) {
            0..=5 => [words!["BYRADIUS"], self.radius(chance)].concat(),
            6..=10 => words!["bybox", self.length(chance), self.length(chance), unit(chance)],
            _ => words![],
        };
        match chance.below(30) {
            0 => [by(chance), by(chance), from(chance)].concat(),
            1 => [by(chance), from(chance), from(chance)].concat(),
            2..=15 => [by(chance), from(chance)].concat(),
            _ => [from(chance), by(chance)].concat(),
        }
    }
}

/// Whose scores are distances, of which many say the same place.
const DISTANCES: &[u8] = b"distances";

fn key(chance: &mut Chance) -> &'static [u8] {
    chance.pick(&[b"a".as_slice(), b"a", b"b", b"none"])
}

fn member(chance: &mut Chance) -> Vec<u8> {
    match chance.below(8) {
        0 => word(&"odd"),
        1..=3 => word(&format!("m{}", chance.below(2_000))),
        _ => chance.member(),
    }
}

fn unit(chance: &mut Chance) -> Vec<u8> {
    word(&chance.pick(&["m", "M", "km", "KM", "km", "ft", "mi", "km", "m", "km", "km", "cm"]))
}

/// What stands behind a search, and how it stores.
fn options(chance: &mut Chance, store: &str) -> Words {
    let options = chance.many(0, 4, |chance| match chance.below(16) {
        0 | 1 => words!["ASC"],
        2 => words!["desc"],
        3 | 4 => words!["COUNT", 1 + chance.below(12)],
        5 => words!["COUNT", 1 + chance.below(12), "ANY"],
        6 => words!["count", chance.pick(&["0", "-1", "x", "100000"])],
        7 | 8 if store.is_empty() => words!["WITHDIST"],
        9 if store.is_empty() => words!["withcoord"],
        10 if store.is_empty() => words!["WITHHASH"],
        11 if chance.one_in(4) => words![chance.pick(&["WITHDIST", "ANY", "x", "STORE", "STOREDIST"])],
        12 if store == "STORE" => words!["storedist", DISTANCES],
        13 if store == "STORE" => words!["STORE", key(chance)],
        12 | 13 if !store.is_empty() => words![store],
        _ => words![],
    });
    options.concat()
}
