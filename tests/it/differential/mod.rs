//! The same random operations through the typed API and through a real Redis, with equal results and
//! equal contents in the end.
//!
//! Where there is no `redis-server` in the `PATH`, and `LARDER_REDIS_SERVER` names none, the tests say so
//! and pass. `LARDER_ROUNDS` has them run longer; a failure names the `LARDER_SEED` that brings it back,
//! and the shortest run of operations that was found to show it.

pub mod chance;
mod client;
mod common;
mod contents;
mod hash;
mod keys;
mod list;
mod options;
mod outcome;
pub mod server;
mod set;
mod sorted_set;
mod strings;

use std::fmt::{Debug, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::SystemTime;

use larder::{ManualClock, Store, Sweeping};

use chance::Chance;
use client::Cmd;
use common::Common;
use outcome::{Outcome, Shape};
use server::{Redis, Server};

/// How many rounds of a family are run by default, and of how many operations each: a round begins with
/// nothing.
const ROUNDS: u64 = 30;
const OPERATIONS: usize = 200;
/// After how many operations whole contents are compared.
const STRIDE: usize = 20;

const SEED: u64 = 0x1a2d_e200;

/// Where larder gives another error than Redis, and means to: the command, larder's error, what Redis
/// gives.
const KNOWN: &[(&str, &str, &str)] = &[
    // One variant says both: that the sum is not finite, and that what is to be added is not.
    ("HINCRBYFLOAT", "ERR increment would produce NaN or Infinity", "ERR value is NaN or Infinity"),
    // One variant says that a number would leave its range, also where it has no opposite.
    ("DECRBY", "ERR increment or decrement would overflow", "ERR decrement would overflow"),
    // Redis has a text of its own for what is a wrong type everywhere else.
    ("LCS", WRONG_TYPE, "ERR The specified keys must contain string values"),
    // What is wrong whatever the key holds is refused before the key is looked at; Redis looks first.
    ("GETEX", "ERR invalid expire time in 'getex' command", WRONG_TYPE),
    ("GETEX", "ERR invalid expire time in 'getex' command", MISSING),
    ("HGETEX", "ERR invalid expire time in 'hgetex' command", WRONG_TYPE),
    ("HGETEX", "ERR invalid expire time in 'hgetex' command", MISSING),
    ("HPEXPIRE", "ERR invalid expire time in 'hpexpire' command", WRONG_TYPE),
    ("HPEXPIRE", "ERR invalid expire time in 'hpexpire' command", MISSING),
];

/// In [`KNOWN`]: no error, and nothing found either.
const MISSING: &str = "";

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

/// `wire!("SET", key, value)`: a command for Redis.
macro_rules! wire {
    ($name:expr $(, $arg:expr)* $(,)?) => {{
        #[allow(unused_mut)]
        let mut command = $crate::differential::client::cmd($name);
        $(command.arg($arg);)*
        command
    }};
}
pub(crate) use wire;

/// An operation of a family, in both languages.
pub trait Operation: Clone + Debug {
    fn typed(&self, store: &Store) -> Outcome;

    fn wire(&self) -> Cmd;

    fn shape(&self) -> Shape {
        Shape::Plain
    }

    fn rule(&self) -> Rule {
        Rule::Equal
    }
}

/// When two results agree.
#[derive(Debug)]
pub enum Rule {
    Equal,
    /// As many were drawn by both, all of them from what this command gives; each once if `distinct`.
    Drawn {
        from: Cmd,
        shape: Shape,
        distinct: bool,
    },
    /// As many members of this set were taken by both. Afterwards Redis is made to have taken those
    /// that larder took.
    Taken {
        set: chance::Key,
    },
}

/// An operation of the family, or one that any family may meet with.
#[derive(Clone, Debug)]
enum Step<O> {
    Own(O),
    Common(Common),
}

impl<O: Operation> Operation for Step<O> {
    fn typed(&self, store: &Store) -> Outcome {
        match self {
            Step::Own(operation) => operation.typed(store),
            Step::Common(operation) => operation.typed(store),
        }
    }

    fn wire(&self) -> Cmd {
        match self {
            Step::Own(operation) => operation.wire(),
            Step::Common(operation) => operation.wire(),
        }
    }

    fn shape(&self) -> Shape {
        match self {
            Step::Own(operation) => operation.shape(),
            Step::Common(operation) => operation.shape(),
        }
    }

    fn rule(&self) -> Rule {
        match self {
            Step::Own(operation) => operation.rule(),
            Step::Common(operation) => operation.rule(),
        }
    }
}

/// Compares what comes of random operations; `make` draws one, for a Redis of this version.
///
/// The first of the databases is the one that the operations are for; all are this family's own.
fn compare<O: Operation>(family: &str, databases: &[u16], make: impl Fn(&mut Chance, (u32, u32)) -> O) {
    let Some(server) = Server::shared() else { return };
    let mut redis = server.connect();
    let first = variable("LARDER_SEED").unwrap_or(SEED);
    let rounds = variable("LARDER_ROUNDS").unwrap_or(ROUNDS);
    for seed in (0..rounds).map(|round| first.wrapping_add(round)) {
        let mut chance = Chance::new(seed);
        let steps: Vec<Step<O>> = (0..OPERATIONS)
            .map(|_| match chance.one_in(6) {
                true => Step::Common(Common::any(&mut chance)),
                false => Step::Own(make(&mut chance, redis.version)),
            })
            .collect();
        if let Err(at) = run(&mut redis, databases, &steps, STRIDE) {
            let (steps, difference) = shrink(&mut redis, databases, steps, at);
            let (major, minor) = redis.version;
            panic!(
                "larder and Redis {major}.{minor} differ in the {family}; to see it again: \
                 LARDER_SEED={seed} LARDER_ROUNDS=1\n{}{difference}",
                script(&steps)
            );
        }
    }
    let total = rounds as usize * OPERATIONS;
    println!("{family}: {total} operations gave the same as Redis {}.{}", redis.version.0, redis.version.1);
}

pub fn variable(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Where two results differ: after how many operations, and how.
struct Difference {
    steps: usize,
    text: String,
}

/// Runs the operations on both sides, from empty databases on.
fn run<O: Operation>(
    redis: &mut Redis,
    databases: &[u16],
    steps: &[O],
    stride: usize,
) -> Result<(), Difference> {
    for database in databases.iter().rev() {
        redis.ask(&wire!("SELECT", *database));
        redis.ask(&wire!("FLUSHDB"));
    }
    let clock = ManualClock::starting_at(SystemTime::now());
    let root = Store::builder().clock(&clock).sweeping(Sweeping::ByHand).shards(4).seed(7).build();
    let store = root.db(databases[0]).unwrap();
    // How far apart the two clocks were at most, in milliseconds, when an operation ran.
    let mut slack = 1;
    for (at, step) in steps.iter().enumerate() {
        let differs = |text| Difference { steps: at + 1, text };
        let before = SystemTime::now();
        clock.advance(before.duration_since(clock.now()).unwrap_or_default());
        let typed = catch_unwind(AssertUnwindSafe(|| step.typed(&store)));
        let typed = typed.unwrap_or_else(|_| Outcome::Error("a panic".to_owned()));
        let wire = redis.ask(&step.wire()).shaped(step.shape());
        slack = slack.max(before.elapsed().unwrap_or_default().as_millis() as i64 + 2);
        agree(redis, step, &typed, &wire, slack).map_err(differs)?;
        if (at + 1) % stride == 0 || at + 1 == steps.len() {
            contents::compare(redis, &root, databases, slack).map_err(differs)?;
        }
    }
    Ok(())
}

/// Whether the results of an operation agree; if not, how they differ.
fn agree<O: Operation>(
    redis: &mut Redis,
    step: &O,
    typed: &Outcome,
    wire: &Outcome,
    slack: i64,
) -> Result<(), String> {
    let differ = || Err(format!("larder gives {typed:?}\nRedis gives  {wire:?}"));
    let rule = match (typed, wire) {
        (Outcome::Error(_), _) | (_, Outcome::Error(_)) => Rule::Equal,
        _ => step.rule(),
    };
    match rule {
        Rule::Equal => {
            if typed.is(wire, slack) || is_known(step, typed, wire) {
                return Ok(());
            }
            differ()
        }
        Rule::Drawn { from, shape, distinct } => {
            let all = redis.ask(&from).shaped(shape);
            let drawn = typed.items();
            let once = |item| drawn.iter().filter(|other| *other == item).count() == 1;
            let is_drawn = drawn.iter().all(|item| all.items().contains(item) && (!distinct || once(item)));
            if is_drawn && drawn.len() == wire.items().len() { Ok(()) } else { differ() }
        }
        Rule::Taken { set } => {
            let (ours, theirs) = (typed.items(), wire.items());
            if ours.len() != theirs.len() {
                return differ();
            }
            if ours.is_empty() {
                return Ok(());
            }
            // Unless all of them are gone, the key lives on, and keeps its deadline.
            let bytes = |items: &[Outcome]| items.iter().map(Outcome::bytes).collect::<Vec<_>>();
            redis.ask(&wire!("SADD", set, bytes(theirs)));
            match redis.ask(&wire!("SREM", set, bytes(ours))) {
                removed if removed == Outcome::from(ours.len()) => Ok(()),
                _ => differ(),
            }
        }
    }
}

fn is_known<O: Operation>(step: &O, typed: &Outcome, wire: &Outcome) -> bool {
    let command = step.wire();
    let name = &command.args[0];
    let says = |outcome: &Outcome, text: &str| match outcome {
        Outcome::Error(error) => error == text,
        Outcome::Nil => text == MISSING,
        Outcome::List(items) => {
            items.iter().all(|item| matches!(item, Outcome::Nil | Outcome::Int(-2))) && text == MISSING
        }
        _ => false,
    };
    KNOWN.iter().any(|(of, ours, theirs)| of.as_bytes() == name && says(typed, ours) && says(wire, theirs))
}

/// The shortest run that was found to show a difference, and the difference.
fn shrink<O: Operation>(
    redis: &mut Redis,
    databases: &[u16],
    mut steps: Vec<O>,
    mut found: Difference,
) -> (Vec<O>, String) {
    steps.truncate(found.steps);
    let mut chunk = steps.len().div_ceil(2);
    while chunk > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..steps.len().min(at + chunk));
            match run(redis, databases, &fewer, 1) {
                Err(difference) => {
                    fewer.truncate(difference.steps);
                    (steps, found) = (fewer, difference);
                }
                Ok(()) => at += chunk,
            }
        }
        chunk /= 2;
    }
    (steps, found.text)
}

fn script<O: Operation>(steps: &[O]) -> String {
    let mut script = String::new();
    for step in steps {
        for arg in step.wire().args {
            match &arg[..] {
                [] => script.push_str("\"\" "),
                bytes => write!(script, "{} ", bytes.escape_ascii()).unwrap(),
            }
        }
        script.push('\n');
    }
    script
}

#[test]
fn strings_are_those_of_redis() {
    compare("strings", &[0], strings::Op::any);
}

#[test]
fn lists_are_those_of_redis() {
    compare("lists", &[1], |chance, _| list::Op::any(chance));
}

#[test]
fn sets_are_those_of_redis() {
    compare("sets", &[2], |chance, _| set::Op::any(chance));
}

#[test]
fn hashes_are_those_of_redis() {
    compare("hashes", &[3], hash::Op::any);
}

#[test]
fn sorted_sets_are_those_of_redis() {
    compare("sorted sets", &[4], sorted_set::Op::any);
}

#[test]
fn keys_are_those_of_redis() {
    compare("keys", &[keys::HOME, keys::AWAY], |chance, _| keys::Op::any(chance));
}
