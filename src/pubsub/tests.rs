//! A hub beside a model of it, and what its locks and inboxes promise.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::thread;

use proptest::prelude::*;

use super::*;

fn subscriber(hub: &Arc<Hub>, backlog: Backlog) -> Subscription {
    Hub::subscriber(hub, &Clock::System, backlog)
}

fn publish(hub: &Hub, channel: &str, payload: &str) -> usize {
    hub.publish(channel.as_bytes(), &Bytes::from(payload))
}

/// A subscription as plain data. The order among patterns is free, so a message expects any of a set.
struct Model {
    subscription: Subscription,
    channels: BTreeSet<&'static str>,
    patterns: BTreeSet<&'static str>,
    ring: VecDeque<Expected>,
    lagged: u64,
}

type Expected = (&'static str, String, BTreeSet<Option<&'static str>>);

const CHANNELS: [&str; 4] = ["a", "ab", "b", "a channel whose name is not kept inline"];
/// Of one length, so that the bytes of a backlog do not hang on their order.
const PATTERNS: [&str; 4] = ["a*", "*b", "**", "??"];

impl Model {
    fn new(hub: &Arc<Hub>) -> Self {
        let subscription = subscriber(hub, Backlog::new().messages(6).bytes(120));
        let (channels, patterns, ring) = Default::default();
        Model { subscription, channels, patterns, ring, lagged: 0 }
    }

    fn publish(&mut self, channel: &'static str, payload: &str) -> usize {
        let mut matching = self.patterns.clone();
        matching.retain(|pattern| glob::matches(pattern.as_bytes(), channel.as_bytes()));
        let through: BTreeSet<_> = matching.iter().copied().map(Some).collect();
        let direct = usize::from(self.channels.contains(channel));
        (0..direct).for_each(|_| self.push((channel, payload.to_string(), BTreeSet::from([None]))));
        matching.iter().for_each(|_| self.push((channel, payload.to_string(), through.clone())));
        direct + matching.len()
    }

    fn push(&mut self, message: Expected) {
        let size = |(channel, payload, patterns): &Expected| {
            channel.len() + payload.len() + if patterns.contains(&None) { 0 } else { 2 }
        };
        self.ring.push_back(message);
        while self.ring.len() > 6 || self.ring.iter().map(size).sum::<usize>() > 120 {
            self.ring.pop_front();
            self.lagged += 1;
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Subscribe(usize, usize),
    Unsubscribe(usize, usize),
    Psubscribe(usize, usize),
    Punsubscribe(usize, usize),
    UnsubscribeAll(usize),
    PunsubscribeAll(usize),
    Publish(usize),
    Receive(usize),
    Replace(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let pair = || (0..3usize, 0..4usize);
    prop_oneof![
        4 => pair().prop_map(|(who, what)| Step::Subscribe(who, what)),
        2 => pair().prop_map(|(who, what)| Step::Unsubscribe(who, what)),
        3 => pair().prop_map(|(who, what)| Step::Psubscribe(who, what)),
        2 => pair().prop_map(|(who, what)| Step::Punsubscribe(who, what)),
        1 => (0..3usize).prop_map(Step::UnsubscribeAll),
        1 => (0..3usize).prop_map(Step::PunsubscribeAll),
        8 => (0..4usize).prop_map(Step::Publish),
        6 => (0..3usize).prop_map(Step::Receive),
        1 => (0..3usize).prop_map(Step::Replace),
    ]
}

proptest! {
    #[test]
    fn does_as_a_plain_model_does(steps in prop::collection::vec(step(), 1..80)) {
        let hub = Hub::new();
        let mut models = [Model::new(&hub), Model::new(&hub), Model::new(&hub)];
        for (at, step) in steps.into_iter().enumerate() {
            match step {
                Step::Subscribe(who, what) => {
                    let Model { subscription, channels, .. } = &mut models[who];
                    prop_assert_eq!(subscription.subscribe(CHANNELS[what]), channels.insert(CHANNELS[what]));
                }
                Step::Unsubscribe(who, what) => {
                    let Model { subscription, channels, .. } = &mut models[who];
                    prop_assert_eq!(subscription.unsubscribe(CHANNELS[what]), channels.remove(CHANNELS[what]));
                }
                Step::Psubscribe(who, what) => {
                    let Model { subscription, patterns, .. } = &mut models[who];
                    prop_assert_eq!(subscription.psubscribe(PATTERNS[what]), patterns.insert(PATTERNS[what]));
                }
                Step::Punsubscribe(who, what) => {
                    let Model { subscription, patterns, .. } = &mut models[who];
                    prop_assert_eq!(subscription.punsubscribe(PATTERNS[what]), patterns.remove(PATTERNS[what]));
                }
                Step::UnsubscribeAll(who) => {
                    models[who].subscription.unsubscribe_all();
                    models[who].channels.clear();
                }
                Step::PunsubscribeAll(who) => {
                    models[who].subscription.punsubscribe_all();
                    models[who].patterns.clear();
                }
                Step::Publish(what) => {
                    let payload = format!("payload {at}");
                    let receivers = models.iter_mut().map(|model| model.publish(CHANNELS[what], &payload));
                    let receivers: usize = receivers.sum();
                    prop_assert_eq!(publish(&hub, CHANNELS[what], &payload), receivers);
                    prop_assert!(models.iter().all(|model| model.subscription.lagged() == model.lagged));
                }
                Step::Receive(who) => {
                    let Model { subscription, ring, .. } = &mut models[who];
                    match (subscription.try_recv(), ring.pop_front()) {
                        (Some(got), Some((channel, payload, patterns))) => {
                            prop_assert_eq!(got.channel_str(), Some(channel));
                            prop_assert_eq!(got.payload_str(), Some(&*payload));
                            let pattern = got.pattern.as_ref().map(|name| name.as_str().unwrap());
                            prop_assert!(patterns.contains(&pattern));
                        }
                        (got, expected) => prop_assert!(got.is_none() && expected.is_none()),
                    }
                }
                Step::Replace(who) => models[who] = Model::new(&hub),
            }
            check(&hub, &models)?;
        }
        drop(models);
        check(&hub, &[])?;
        prop_assert!(hub.members.lock().inboxes.is_empty());
    }
}

/// The hub holds what the models say and nothing else.
fn check(hub: &Hub, models: &[Model]) -> Result<(), TestCaseError> {
    let mut channels = BTreeMap::new();
    let mut patterns: BTreeSet<&str> = BTreeSet::new();
    for model in models {
        model.channels.iter().for_each(|name| *channels.entry(Bytes::from(*name)).or_insert(0) += 1);
        patterns.extend(&model.patterns);
        prop_assert_eq!(model.subscription.channels().len(), model.channels.len());
        prop_assert_eq!(model.subscription.patterns().len(), model.patterns.len());
    }
    let names: BTreeSet<_> = hub.channels(b"*").into_iter().collect();
    prop_assert!(names.iter().eq(channels.keys()));
    for name in CHANNELS {
        let expected = channels.get(name.as_bytes()).copied().unwrap_or(0);
        prop_assert_eq!(hub.subscribers(name.as_bytes()), expected);
    }
    prop_assert_eq!(hub.patterns(), patterns.len());
    let listening_to_patterns: usize = models.iter().map(|model| model.patterns.len()).sum();
    let listening = channels.values().sum::<usize>() + listening_to_patterns;
    prop_assert_eq!(hub.listeners.load(Ordering::Relaxed), listening);
    prop_assert_eq!(hub.pattern_listeners.load(Ordering::Relaxed), listening_to_patterns);
    Ok(())
}

#[test]
fn each_way_a_channel_is_listened_to_brings_a_message() {
    let hub = Hub::new();
    let sub = subscriber(&hub, Backlog::new());
    assert!(sub.subscribe("news") && sub.psubscribe("n*") && sub.psubscribe("*s"));
    assert_eq!(publish(&hub, "news", "x"), 3);
    let patterns: BTreeSet<_> = (0..3).map(|_| sub.try_recv().unwrap().pattern).collect();
    assert_eq!(patterns, BTreeSet::from([None, Some(Bytes::from("*s")), Some(Bytes::from("n*"))]));
    assert_eq!(publish(&hub, "noon", "x"), 1);
    assert_eq!(publish(&hub, "sport", "x"), 0);
    assert_eq!((hub.channels(b"n*").len(), hub.channels(b"s*").len()), (1, 0));
}

#[test]
fn all_see_one_order_and_the_last_messages_before_the_end() {
    const PUBLISHERS: usize = 3;
    const EACH: usize = 2_000;
    let hub = Hub::new();
    let backlog = Backlog::new().messages(PUBLISHERS * EACH);
    let subs = [subscriber(&hub, backlog), subscriber(&hub, backlog), subscriber(&hub, backlog)];
    assert!(subs[0].subscribe("c") && subs[1].subscribe("c") && subs[2].psubscribe("*"));
    let seen = thread::scope(|scope| {
        let readers = subs.map(|sub| scope.spawn(move || sub.into_iter().map(|m| m.payload).collect()));
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|who| {
                let hub = &hub;
                scope.spawn(move || {
                    (0..EACH).for_each(|at| assert_eq!(publish(hub, "c", &format!("{who} {at}")), 3))
                })
            })
            .collect();
        publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
        hub.close();
        readers.map(|reader| -> Vec<Bytes> { reader.join().unwrap() })
    });
    assert_eq!(seen[0].len(), PUBLISHERS * EACH);
    assert!(seen[0] == seen[1] && seen[1] == seen[2]);
    for who in 0..PUBLISHERS {
        let of_one = seen[0].iter().filter(|payload| payload.starts_with(format!("{who} ").as_bytes()));
        assert!(of_one.eq((0..EACH).map(|at| Bytes::from(format!("{who} {at}"))).collect::<Vec<_>>().iter()));
    }
}

#[test]
fn subscribing_and_leaving_meanwhile_loses_nothing_for_others() {
    let hub = Hub::new();
    let stays = subscriber(&hub, Backlog::new().messages(usize::MAX));
    stays.subscribe("c");
    thread::scope(|scope| {
        scope.spawn(|| (0..2_000).for_each(|_| assert!(publish(&hub, "c", "x") >= 1)));
        scope.spawn(|| {
            for _ in 0..500 {
                let sub = subscriber(&hub, Backlog::new());
                assert!(sub.subscribe("c") && sub.psubscribe("c*") && sub.unsubscribe("c"));
            }
        });
    });
    assert_eq!(std::iter::from_fn(|| stays.try_recv()).count(), 2_000);
    assert_eq!((hub.subscribers(b"c"), hub.patterns()), (1, 0));
    assert_eq!(hub.listeners.load(Ordering::Relaxed), 1);
}

#[test]
fn a_closed_hub_takes_nothing_and_keeps_nothing() {
    let hub = Hub::new();
    let sub = subscriber(&hub, Backlog::new());
    assert!(sub.subscribe("a") && sub.psubscribe("*"));
    hub.close();
    assert_eq!(publish(&hub, "a", "x"), 0);
    let late = subscriber(&hub, Backlog::new());
    assert!(late.is_closed() && !late.subscribe("a") && !sub.subscribe("b"));
    assert_eq!((late.recv(), sub.recv()), (None, None));
    assert!(hub.channels(b"*").is_empty() && hub.patterns() == 0);
    assert_eq!(hub.listeners.load(Ordering::Relaxed), 0);
}

#[test]
fn a_roster_gives_back_its_room() {
    let hub = Hub::new();
    let sub = subscriber(&hub, Backlog::new());
    (0..10_000).for_each(|at| assert!(sub.psubscribe(format!("{at}"))));
    let full = hub.patterns.read().topics.capacity();
    sub.punsubscribe_all();
    let empty = hub.patterns.read().topics.capacity();
    assert!(full >= 10_000 && empty < 100, "{full} {empty}");
}
