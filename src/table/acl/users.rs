//! The users of a store, whose sessions are whose, and the file that they may stand in.
//!
//! A session keeps the [`Account`] of its user, which others may give new [`Rules`]. With each command it asks one flag of
//! it, and the rules only if that says that not all is allowed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

#[cfg(feature = "server")]
use super::all_channels;
use super::log::{Log, Reason, Refused};
use super::rules::{Refusal, Rules, check_name, joined};
use crate::Bytes;
use crate::clock::Clock;
#[cfg(feature = "server")]
use crate::keyspace::Keyspace;
use crate::reply::Reply;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex, RwLock};
use crate::table::row::Compat;

/// What the rules of all users may take together, in bytes: so many users, patterns and passwords can there be.
const MOST_BYTES: usize = 64 << 20;

const TOO_MUCH: &str = "the users' rules would take more than 64 MB";

/// The name of the user that each session begins as.
pub(super) const DEFAULT: &[u8] = b"default";

/// See the [module](self).
pub(crate) struct Users {
    all: RwLock<BTreeMap<Bytes, Arc<Account>>>,
    default: Arc<Account>,
    /// The default user needs no password.
    is_open: AtomicBool,
    log: Mutex<Log>,
}

/// One user.
pub(crate) struct Account {
    name: Bytes,
    /// Nothing is forbidden.
    is_unrestricted: AtomicBool,
    rules: RwLock<Arc<Rules>>,
}

/// What a file of users has made of those that there were.
pub(super) struct Loaded {
    /// Those who are no more, or are others now: their sessions are to end.
    pub gone: Vec<Arc<Account>>,
    /// Whether the file says what the default user may do.
    #[cfg_attr(not(feature = "server"), expect(dead_code))]
    pub has_default: bool,
}

impl Account {
    fn new(name: &[u8], rules: Rules) -> Arc<Self> {
        Arc::new(Account {
            name: name.into(),
            is_unrestricted: AtomicBool::new(rules.is_unrestricted()),
            rules: RwLock::new(Arc::new(rules)),
        })
    }

    /// One by the name of the default user who may do everything, whatever becomes of that one.
    #[cfg(feature = "server")]
    pub(in crate::table) fn trusted() -> Arc<Self> {
        Account::new(DEFAULT, Rules::unrestricted())
    }

    pub(crate) fn name(&self) -> &Bytes {
        &self.name
    }

    /// Asked with each command.
    pub(in crate::table) fn is_unrestricted(&self) -> bool {
        // What is commanded after ACL SETUSER has replied must see it: the replies go through locks of their own.
        self.is_unrestricted.load(Ordering::Acquire)
    }

    pub(super) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read())
    }

    fn give(&self, rules: Rules) {
        let mut place = self.rules.write();
        self.is_unrestricted.store(rules.is_unrestricted(), Ordering::Release);
        *place = Arc::new(rules);
    }
}

impl Default for Users {
    fn default() -> Self {
        Users::of([Account::new(DEFAULT, Rules::unrestricted())])
    }
}

impl Users {
    /// These, and the default one if it is among them.
    fn of(accounts: impl IntoIterator<Item = Arc<Account>>) -> Self {
        let mut all: BTreeMap<_, _> =
            accounts.into_iter().map(|account| (account.name.clone(), account)).collect();
        let default = all.entry(DEFAULT.into());
        let default = Arc::clone(default.or_insert_with(|| Account::new(DEFAULT, Rules::unrestricted())));
        let users =
            Users { all: RwLock::new(all), default, is_open: AtomicBool::new(false), log: Mutex::default() };
        users.look_at_default();
        users
    }

    /// The same users for another store, with nothing refused so far. O(users)
    pub(crate) fn fork(&self) -> Self {
        let all = self.all.read();
        Users::of(all.values().map(|account| Account::new(&account.name, (*account.rules()).clone())))
    }

    /// The one that sessions begin as.
    pub(in crate::table) fn default_account(&self) -> &Arc<Account> {
        &self.default
    }

    /// Whether that one needs no password. Asked with each command of who has given none.
    pub(in crate::table) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// The user of that name, if that is the password. O(log users)
    pub(in crate::table) fn log_in(&self, name: &[u8], password: &[u8]) -> Option<Arc<Account>> {
        self.find(name).filter(|account| account.rules().lets_in(password))
    }

    /// Whether the default user takes any password.
    pub(in crate::table) fn default_takes_any(&self) -> bool {
        self.default.rules().any_password
    }

    pub(in crate::table) fn find(&self, name: &[u8]) -> Option<Arc<Account>> {
        self.all.read().get(name).cloned()
    }

    /// All, by their names.
    pub(super) fn all(&self) -> Vec<Arc<Account>> {
        self.all.read().values().cloned().collect()
    }

    /// `requirepass`: what the default user has to say from now on, if that is anything.
    pub(in crate::table) fn set_password(&self, password: &[u8]) {
        let words = match password {
            [] => vec![b"nopass".to_vec()],
            password => vec![b"resetpass".to_vec(), [b">", password].concat()],
        };
        // Of all rules these are never refused.
        let _ = self.change(DEFAULT, &words, false, Compat::default());
    }

    /// Takes rules for a user, who is made if there is none of that name: all of them, or none.
    ///
    /// # Errors
    /// The first rule that is refused, and why.
    pub(super) fn change(
        &self,
        name: &[u8],
        words: &[Vec<u8>],
        all_channels: bool,
        compat: Compat,
    ) -> Result<Arc<Account>, (Vec<u8>, &'static str)> {
        let mut all = self.all.write();
        let known = all.get(name).map(|account| account.rules());
        let before = known.as_ref().map_or(0, |rules| rules.weight());
        let mut rules = known.map_or_else(|| Rules::new(all_channels), |rules| (*rules).clone());
        rules.set_all(words, all_channels, compat).map_err(|(word, refusal)| (word, refusal.text()))?;
        let others: usize = all.values().map(|account| account.rules().weight()).sum::<usize>() - before;
        if rules.weight() > before && others + rules.weight() > MOST_BYTES {
            return Err((words.last().cloned().unwrap_or_default(), TOO_MUCH));
        }
        let account = match all.entry(name.into()) {
            Entry::Occupied(known) => {
                known.get().give(rules);
                Arc::clone(known.get())
            }
            Entry::Vacant(place) => Arc::clone(place.insert(Account::new(name, rules))),
        };
        drop(all);
        self.look_at_default();
        Ok(account)
    }

    /// Takes a user out, who is not the default one.
    pub(super) fn remove(&self, name: &[u8]) -> Option<Arc<Account>> {
        if name == DEFAULT {
            return None;
        }
        self.all.write().remove(name)
    }

    fn look_at_default(&self) {
        let rules = self.default.rules();
        self.is_open.store(rules.is_on && rules.any_password, Ordering::Release);
    }

    /// Reads the users of a file, who take the place of those that there are.
    ///
    /// # Errors
    /// What is wrong with its lines. All stays as it is then.
    pub(super) fn load(
        &self,
        text: &[u8],
        file: &str,
        all_channels: bool,
        compat: Compat,
    ) -> Result<Loaded, String> {
        let mut read = BTreeMap::<Bytes, Rules>::new();
        let mut errors = String::new();
        for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            errors.push_str(&read_line(line, (file, at + 1), &mut read, all_channels, compat));
        }
        if read.values().map(Rules::weight).sum::<usize>() > MOST_BYTES {
            errors.push_str(&format!("{TOO_MUCH}. "));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut all = self.all.write();
        let mut gone = Vec::new();
        let has_default = read.contains_key(DEFAULT);
        // Who is not named is new, and the default user is always there.
        read.entry(DEFAULT.into()).or_insert_with(Rules::unrestricted);
        all.retain(|name, account| {
            let stays = read.contains_key(name);
            if !stays {
                gone.push(Arc::clone(account));
            }
            stays
        });
        for (name, rules) in read {
            match all.entry(name) {
                Entry::Vacant(place) => {
                    let account = Account::new(place.key(), rules);
                    place.insert(account);
                }
                Entry::Occupied(known) => {
                    let is_other = *known.get().rules() != rules;
                    if (is_other || compat == Compat::Redis70) && *known.key() != *DEFAULT {
                        gone.push(Arc::clone(known.get()));
                    }
                    known.get().give(rules);
                }
            }
        }
        drop(all);
        self.look_at_default();
        Ok(Loaded { gone, has_default })
    }

    /// Whether there is none but the default user, who may do everything without a password. O(1)
    #[cfg(feature = "server")]
    pub(in crate::table) fn are_as_at_first(&self, compat: Compat) -> bool {
        let all = self.all.read();
        let is_unrestricted = |account: &Arc<Account>| {
            account.rules().describe(compat) == Rules::unrestricted().describe(compat)
        };
        all.len() == 1 && all.values().all(is_unrestricted)
    }

    /// The users as lines of a file. O(users)
    pub(in crate::table) fn lines(&self, compat: Compat) -> Vec<Vec<u8>> {
        let line = |account: Arc<Account>| {
            [b"user ", &account.name[..], b" ", &account.rules().describe(compat)].concat()
        };
        self.all().into_iter().map(line).collect()
    }

    /// Notes that something was refused; as many entries as that are kept.
    pub(super) fn log(&self, refused: Refused, clock: &Clock, longest: usize) {
        self.log.lock().add(refused, clock.now(), clock.wall(), longest);
    }

    /// How often something was refused for that reason, also what the log has no more.
    pub(in crate::table) fn denied(&self, reason: Reason) -> u64 {
        self.log.lock().count_of(reason)
    }

    pub(super) fn forget_refused(&self) {
        self.log.lock().clear();
    }

    pub(super) fn refused(&self, count: usize, now: u64, compat: Compat) -> Reply {
        self.log.lock().latest(count, now, compat)
    }
}

/// Reads a line of a file, which has that name, and tells what is wrong with it.
fn read_line(
    line: &[u8],
    (file, at): (&str, usize),
    read: &mut BTreeMap<Bytes, Rules>,
    all_channels: bool,
    compat: Compat,
) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
    let (name, words) = match &words[..] {
        [first, name, words @ ..] if *first == b"user" => (*name, words),
        _ => {
            return format!("{file}:{at} should start with user keyword followed by the username. ");
        }
    };
    if check_name(name).is_err() {
        return format!("'{file}:{at}: username '{}' contains invalid characters. ", text(name));
    }
    if read.contains_key(name) {
        return format!("WARNING: Duplicate user '{}' found on line {at}. ", text(name));
    }
    let Ok(words) = joined(words, compat) else {
        return format!("{file}:{at}: Unmatched parenthesis in selector definition.");
    };
    let mut rules = Rules::new(all_channels);
    let taken = rules.set_all(&words, all_channels, compat);
    read.insert(name.into(), rules);
    match taken {
        Ok(()) => String::new(),
        Err((word, why @ Refusal::Unknown)) => {
            format!("{file}:{at}: Error in applying operation '{}': {}. ", text(&word), why.text())
        }
        Err((_, why)) => format!("{file}:{at}: {}. ", why.text()),
    }
}

/// # Errors
/// Redis's for what cannot be a user with these rules.
#[cfg(feature = "server")]
pub(crate) fn check(name: &[u8], words: &[Bytes], compat: Compat) -> Result<(), String> {
    Users::default().declare(name, words, false, compat)
}

/// Whether a store could come to know all these, one behind the other. Who is new may use all channels or none, as is said or
/// as the store has it.
///
/// # Errors
/// Redis's for what cannot be a user with these rules.
#[cfg(feature = "server")]
pub(crate) fn check_all(
    space: &Keyspace,
    users: &[(Bytes, Vec<Bytes>)],
    channels: Option<bool>,
    compat: Compat,
) -> Result<(), String> {
    let tried = space.shared().users.fork();
    let channels = channels.unwrap_or_else(|| all_channels(space));
    users.iter().try_for_each(|(name, words)| tried.declare(name, words, channels, compat))
}

/// Has a store know a user, as its server is started with one.
///
/// # Errors
/// Redis's for what cannot be a user with these rules.
#[cfg(feature = "server")]
pub(crate) fn declare(space: &Keyspace, name: &[u8], words: &[Bytes], compat: Compat) -> Result<(), String> {
    space.shared().users.declare(name, words, all_channels(space), compat)
}

#[cfg(feature = "server")]
impl Users {
    fn declare(
        &self,
        name: &[u8],
        words: &[Bytes],
        all_channels: bool,
        compat: Compat,
    ) -> Result<(), String> {
        check_name(name).map_err(|_| "Spaces not allowed in ACL usernames".to_owned())?;
        let failed = |word: &[u8], why: &str| {
            format!("Error in user declaration '{}': {why}", String::from_utf8_lossy(word))
        };
        let words =
            joined(words, compat).map_err(|word| failed(&word, "Unmatched parenthesis in acl selector"))?;
        let reset = [b"reset".to_vec()].into_iter().filter(|_| name == DEFAULT);
        let words: Vec<_> = reset.chain(words).collect();
        self.change(name, &words, all_channels, compat).map_err(|(word, why)| failed(&word, why))?;
        Ok(())
    }
}
