//! Redis as a cluster: three nodes that share the slots, and processes that talk to all of them.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use larder::{Cache, How, Load, RedisTier, RedisTierBuilder};
use redis::cluster::ClusterClient;

use super::super::{MINUTE, fails, gives, text, unasked};
use super::fences::told;
use super::shared::CHANGES;
use super::{LONG, Process, client};
use crate::differential::server::Server;
use crate::support::until;

/// Three masters; each has a third of the slots.
struct Cluster(Vec<Server>);

/// Slots of all nodes but the last, which has two more.
const SHARE: u16 = 5_461;

impl Cluster {
    /// None, and a line that says so, if the machine has no Redis.
    fn start() -> Option<Cluster> {
        let nodes: Option<Vec<_>> = (0..3).map(|_| Server::cluster_node()).collect();
        let cluster = Cluster(nodes?);
        for (nth, range) in
            [[0, SHARE - 1], [SHARE, 2 * SHARE - 1], [2 * SHARE, 16_383]].into_iter().enumerate()
        {
            cluster.ask::<()>(nth, |command| command.arg("SET-CONFIG-EPOCH").arg(nth + 1));
            cluster.ask::<()>(nth, |command| command.arg("ADDSLOTSRANGE").arg(&range));
            let bus: (String, u16) =
                redis::cmd("CONFIG").arg("GET").arg("cluster-port").query(&mut cluster.node(nth)).unwrap();
            cluster.ask::<()>(0, |command| {
                command.arg("MEET").arg("127.0.0.1").arg(cluster.port(nth)).arg(bus.1)
            });
        }
        cluster.until_it_is_whole();
        Some(cluster)
    }

    fn until_it_is_whole(&self) {
        for nth in 0..self.0.len() {
            let mut node = self.node(nth);
            until("cluster", || {
                let info: String = redis::cmd("CLUSTER").arg("INFO").query(&mut node).unwrap();
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            });
        }
    }

    fn port(&self, nth: usize) -> u16 {
        self.0[nth].port()
    }

    fn client(&self, nth: usize) -> redis::Client {
        client(([127, 0, 0, 1], self.port(nth)).into())
    }

    fn node(&self, nth: usize) -> redis::Connection {
        self.client(nth).get_connection().unwrap()
    }

    /// Sends a node a `CLUSTER` command.
    fn ask<T: redis::FromRedisValue>(
        &self,
        nth: usize,
        arguments: impl FnOnce(&mut redis::Cmd) -> &mut redis::Cmd,
    ) -> T {
        arguments(&mut redis::cmd("CLUSTER")).query(&mut self.node(nth)).unwrap()
    }

    fn slot(&self, key: &str) -> u16 {
        self.ask(0, |command| command.arg("KEYSLOT").arg(key))
    }

    /// Which node has a slot, while none was moved.
    fn has(&self, slot: u16) -> usize {
        usize::from(slot / SHARE).min(2)
    }

    /// Keys of the cache that lie on this node, in their order.
    fn keys_of(&self, nth: usize) -> impl Iterator<Item = u64> + '_ {
        (0..).filter(move |key| self.has(self.slot(&name(*key))) == nth)
    }

    fn whole_client(&self, user: &str, timeout: Duration) -> ClusterClient {
        let nodes = self.0.iter().map(|node| format!("redis://{user}127.0.0.1:{}", node.port()));
        let builder = ClusterClient::builder(nodes).retries(2).min_retry_wait(1).max_retry_wait(20);
        builder.connection_timeout(timeout).response_timeout(timeout).build().unwrap()
    }

    fn tier(&self, user: &str, timeout: Duration) -> RedisTierBuilder {
        let client = self.whole_client(user, timeout);
        let mut tier = RedisTier::builder_with(move || client.get_connection()).timeout(timeout);
        for nth in 0..self.0.len() {
            tier = tier.listen(self.client(nth));
        }
        tier
    }

    fn process(&self) -> Process {
        Process::with(self.tier("", Duration::from_secs(20)), |cache| cache)
    }

    fn processes<const N: usize>(&self) -> [Process; N] {
        std::array::from_fn(|_| self.process())
    }
}

/// What a key of the cache is called in Redis.
fn name(key: u64) -> String {
    format!("larder:v:names:{key}")
}

fn tagged(value: &'static str, key: u64) -> Load<String> {
    Load::value(value.to_owned()).tag(format!("shop:products:{key}"))
}

#[test]
fn what_one_process_has_loaded_the_others_find_on_each_node_of_a_cluster() {
    let Some(cluster) = Cluster::start() else { return };
    let [one, two, three] = cluster.processes();
    let load = |key: u64| Ok::<_, String>(Load::value(key.to_string()).tag(format!("tens:{}", key / 10)));
    (0..300).for_each(|key| _ = one.names.get_or_load(&key, || load(key)).unwrap());
    one.flush();
    for nth in 0..3 {
        let held: usize = redis::cmd("DBSIZE").query(&mut cluster.node(nth)).unwrap();
        assert!(held > 50, "each has its share: {held}");
    }
    (0..300).for_each(|key| assert_eq!(two.get(key, unasked), (key.to_string(), How::SecondLevel)));
    // Many at once, of which some are nowhere yet.
    let keys: Vec<u64> = (200..400).collect();
    let many = three.names.ask_many(&keys, |missing| {
        assert_eq!(missing, &keys[100..]);
        Ok::<_, String>(missing.iter().map(|key| (*key, key.to_string())).collect::<Vec<_>>())
    });
    for (key, answer) in keys.iter().zip(many.unwrap()) {
        let how = if *key < 300 { How::SecondLevel } else { How::Loaded };
        assert_eq!((answer.value.as_deref(), answer.how), (Some(&key.to_string()), how));
    }
    three.flush();
    (300..400).for_each(|key| assert_eq!(two.get(key, unasked).1, How::SecondLevel));
    for process in [&one, &two, &three] {
        let stats = process.tier.stats();
        assert_eq!((stats.errors, stats.fenced, stats.connects), (0, 0, 1), "{stats:?}");
    }
}

#[test]
fn what_one_process_changes_goes_from_all_in_a_cluster() {
    let Some(cluster) = Cluster::start() else { return };
    let [one, two, three] = cluster.processes();
    for nth in 0..3 {
        let key = cluster.keys_of(nth).next().unwrap();
        for (what, change) in CHANGES {
            one.names.get_or_load(&key, || Ok::<_, String>(tagged("old", key))).unwrap();
            one.flush();
            assert_eq!(two.get(key, unasked), ("old".into(), How::SecondLevel), "{what}");
            change(&one, key);
            one.flush();
            two.until_it_has_not(key);
            // What is heard while it loads would keep that from being stored.
            told(&one, &two, 900);
            let is_insert = what == "insert";
            let (now, how) = if is_insert { ("inserted", How::SecondLevel) } else { ("new", How::Loaded) };
            assert_eq!(two.get(key, gives("new")), (now.into(), how), "{what}");
            assert_eq!(three.get(key, unasked), (now.into(), How::SecondLevel), "{what}");
            one.names.remove(&key).unwrap();
            told(&one, &two, 900);
            told(&one, &three, 900);
        }
    }
    assert_eq!(one.tier.stats().errors + two.tier.stats().errors + three.tier.stats().errors, 0);
}

#[test]
fn that_there_is_nothing_is_shared_by_a_cluster() {
    let Some(cluster) = Cluster::start() else { return };
    let absent = || Process::with(cluster.tier("", LONG), |cache| cache.absent_ttl(MINUTE));
    let (one, two) = (absent(), absent());
    for key in (0..3).map(|nth| cluster.keys_of(nth).next().unwrap()) {
        assert_eq!(text(one.names.get_or_load(&key, || Ok::<_, String>(None::<String>))), None);
        one.flush();
        let answer = two.names.ask(&key, |_| unasked()).unwrap();
        assert_eq!((answer.value, answer.how), (None, How::SecondLevel));
        one.names.remove(&key).unwrap();
        one.flush();
        told(&one, &two, 900);
        // A load that fails gives its place back.
        assert!(one.names.get_or_load(&key, fails).is_err());
        one.flush();
        assert_eq!(two.get(key, gives("tea")).1, How::Loaded);
        assert_eq!(one.get(key, unasked), ("tea".into(), How::SecondLevel));
    }
}

#[test]
fn a_load_that_was_overtaken_is_stored_nowhere_in_a_cluster() {
    let Some(cluster) = Cluster::start() else { return };
    let [two, three] = cluster.processes();
    // One that hears what others change, and one that does not.
    let client = cluster.whole_client("", LONG);
    let deaf = RedisTier::builder_with(move || client.get_connection()).timeout(LONG);
    let ones = [cluster.process(), Process::with(deaf, |cache| cache)];
    for key in (0..3).map(|nth| cluster.keys_of(nth).next().unwrap()) {
        for (what, change) in CHANGES {
            for (nth, one) in ones.iter().enumerate() {
                thread::scope(|scope| {
                    let ((begun, begins), (end, ends)) = (channel(), channel::<()>());
                    let slow = scope.spawn(move || {
                        one.names.get_or_load(&key, || {
                            begun.send(()).unwrap();
                            ends.recv().unwrap();
                            Ok::<_, String>(tagged("old", key))
                        })
                    });
                    begins.recv().unwrap();
                    change(&two, key);
                    two.flush();
                    end.send(()).unwrap();
                    assert_eq!(text(slow.join().unwrap()).as_deref(), Some("old"), "who waited has it");
                });
                one.flush();
                assert_ne!(three.get(key, gives("new")).0, "old", "{what}, {nth}");
                two.names.remove(&key).unwrap();
                two.flush();
                one.names.remove(&key).unwrap();
                one.flush();
                three.until_it_has_not(key);
                told(&two, &three, 900);
            }
        }
    }
}

/// In a cluster there is no transaction over several nodes that could take a script's place.
#[test]
fn without_scripts_a_cluster_keeps_no_loads_and_stays() {
    let Some(cluster) = Cluster::start() else { return };
    for nth in 0..3 {
        let mut user = redis::cmd("ACL");
        user.arg(&["SETUSER", "modest", "reset", "on", "nopass", "~*", "&*", "+@all", "-eval"]);
        user.exec(&mut cluster.node(nth)).unwrap();
    }
    let process = || Process::with(cluster.tier("modest:x@", LONG), |cache| cache);
    let (one, two) = (process(), process());
    for key in 0..10 {
        assert_eq!(one.get(key, gives("loaded")).1, How::Loaded);
        one.names.insert(&(key + 100), "inserted".to_owned()).unwrap();
    }
    one.flush();
    for key in 0..10 {
        assert_eq!(two.get(key, gives("again")).1, How::Loaded);
        assert_eq!(two.get(key + 100, unasked), ("inserted".into(), How::SecondLevel));
    }
    let stats = one.tier.stats();
    assert_eq!((stats.is_up, stats.connects, stats.errors), (true, 1, 10), "each was refused: {stats:?}");
}

/// What a process hears itself by goes the way of the changes.
#[test]
fn the_channels_of_a_process_are_of_one_slot() {
    let Some(cluster) = Cluster::start() else { return };
    let process = cluster.process();
    process.get(7, gives("tea"));
    let mut heard_at = redis::cmd("PUBSUB");
    heard_at.arg("CHANNELS").arg("larder:*");
    let channels: Vec<String> =
        (0..3).flat_map(|nth| heard_at.query::<Vec<_>>(&mut cluster.node(nth)).unwrap()).collect();
    assert_eq!(channels.len(), 2);
    assert_eq!(cluster.slot(&channels[0]), cluster.slot(&channels[1]));
}

#[test]
fn a_tier_listens_to_the_first_node_that_lets_it() {
    let Some(cluster) = Cluster::start() else { return };
    let Some(stranger) = Server::cluster_node() else { return };
    let tier = || {
        let client = cluster.whole_client("", LONG);
        RedisTier::builder_with(move || client.get_connection()).retry_after(Duration::from_millis(20))
    };
    let nobody = client(([127, 0, 0, 1], 1).into());
    let one =
        Process::with(tier().listen(nobody.clone()).listen(cluster.client(0)).timeout(LONG), |cache| cache);
    one.get(7, gives("tea"));
    let other = cluster.process();
    other.names.remove(&7).unwrap();
    other.flush();
    one.until_it_has_not(7);
    // Nor is it there with one that lets it and tells it of nothing.
    let deaf = tier().listen(nobody).listen(client(([127, 0, 0, 1], stranger.port()).into()));
    let two = Process::with(deaf.timeout(Duration::from_millis(300)), |cache| cache);
    until("tries", || two.tier.stats().errors > 2);
    assert_eq!(two.tier.stats().connects, 0);
}

/// Each node in turn: that of the removals' clock, that of the channel, that which is listened to.
#[test]
fn a_node_of_a_cluster_goes_away_and_comes_back() {
    let Some(mut cluster) = Cluster::start() else { return };
    let hasty = || {
        let tier = cluster.tier("", Duration::from_secs(5)).retry_after(Duration::from_millis(20));
        Process::with(tier, |cache| cache)
    };
    let (process, other) = (hasty(), hasty());
    for nth in 0..3 {
        let keys: Vec<u64> = cluster.keys_of(nth).take(3).collect();
        let [kept, elsewhere] = [1, 2].map(|far| cluster.keys_of((nth + far) % 3).nth(9).unwrap());
        for key in [keys[0], kept, elsewhere] {
            process.get(key, gives("before"));
            assert_eq!(other.get(key, unasked).1, How::SecondLevel);
        }
        cluster.0[nth].kill();
        until("loss", || {
            process.names.get_or_load(&keys[1], gives("alone")).unwrap();
            process.names.remove(&keys[1]).unwrap();
            !process.tier.stats().is_up
        });
        // However often it is tried again, what is there is served, what is not is loaded, and nobody waits.
        let tries = process.tier.stats().errors;
        until("tries", || process.tier.stats().errors > tries + 3);
        for key in [keys[0], kept, elsewhere] {
            assert_eq!(text(process.names.get_or_load(&key, unasked)).as_deref(), Some("before"), "{nth}");
        }
        assert_eq!(text(process.names.get_or_load(&keys[2], gives("alone"))).as_deref(), Some("alone"));
        process.names.remove(&kept).unwrap();
        assert!(!process.tier.flush(Duration::from_millis(1)));
        cluster.0[nth].restart();
        cluster.until_it_is_whole();
        // What was removed meanwhile is, before anything is read.
        process.flush();
        until("the others", || process.tier.stats().is_up && other.tier.stats().is_up);
        other.until_it_has_not(kept);
        assert_eq!(other.get(kept, gives("new")).1, How::Loaded, "{nth}");
        assert_eq!(process.get(elsewhere, unasked), ("before".into(), How::SecondLevel), "{nth}");
        // It has come back with nothing, and is filled again.
        process.names.remove(&keys[0]).unwrap();
        process.get(keys[0], gives("after"));
        until("the value", || other.get(keys[0], gives("after")).0 == "after");
        process.names.clear().unwrap();
        process.flush();
        [keys[0], kept, elsewhere].into_iter().for_each(|key| other.until_it_has_not(key));
    }
}

/// Keys of one slot, by what stands in braces.
#[test]
fn a_slot_of_a_cluster_is_moved_while_it_is_used() {
    let Some(cluster) = Cluster::start() else { return };
    let [one, two] = cluster.processes();
    let texts = |process: &Process| -> Cache<String, String> {
        let texts = process.store.cache("texts").shared().ttl(MINUTE);
        texts.second_level(&process.tier).build().unwrap()
    };
    let (here, there) = (texts(&one), texts(&two));
    let key = |nth: u64| format!("{{moved}}{nth}");
    let load = |nth: u64, value: &str| {
        assert_eq!(here.ask(&key(nth), |_| gives(value)()).unwrap().how, How::Loaded, "{nth}");
        one.flush();
    };
    let finds = |nth: u64| {
        assert_eq!(there.ask(&key(nth), |_| unasked()).unwrap().how, How::SecondLevel, "{nth}");
        two.flush();
    };
    let remove = |nth: u64| {
        here.remove(&key(nth)).unwrap();
        one.flush();
        until("message", || there.peek(&key(nth)).unwrap().is_none());
    };
    let slot = cluster.slot("{moved}");
    let from = cluster.has(slot);
    let to = (from + 1) % 3;
    let ids: Vec<String> = (0..3).map(|nth| cluster.ask(nth, |command| command.arg("MYID"))).collect();
    let set = |nth: usize, state: &str, id: &str| -> String {
        cluster.ask(nth, |command| command.arg("SETSLOT").arg(slot).arg(state).arg(id))
    };
    (0..4).for_each(|nth| load(nth, "before"));
    // Under way: what is still there is asked for there, and what is not where it goes (ASK).
    set(to, "IMPORTING", &ids[from]);
    set(from, "MIGRATING", &ids[to]);
    finds(0);
    load(4, "meanwhile");
    finds(4);
    remove(0);
    load(0, "new");
    finds(0);
    let names = || -> Vec<String> {
        let texts = redis::cmd("KEYS").arg("larder:v:texts:*").query(&mut cluster.node(from));
        texts.unwrap()
    };
    assert_eq!(names().len(), 3, "the rest has not gone yet");
    let mut migrate = redis::cmd("MIGRATE");
    migrate.arg("127.0.0.1").arg(cluster.port(to)).arg("").arg(0).arg(20_000).arg("KEYS").arg(names());
    migrate.exec(&mut cluster.node(from)).unwrap();
    finds(1);
    // Over: each is told where it is now (MOVED).
    [to, from, 3 - to - from].into_iter().for_each(|nth| _ = set(nth, "NODE", &ids[to]));
    (2..4).for_each(finds);
    for nth in 0..5 {
        remove(nth);
        load(nth, "after");
        finds(nth);
    }
    assert_eq!((one.tier.stats().errors, two.tier.stats().errors), (0, 0));
    assert_eq!((one.tier.stats().connects, two.tier.stats().connects), (1, 1));
}
