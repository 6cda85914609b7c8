//! What those who bring a session its commands, and take its replies away, ask of it.

#[cfg(feature = "server")]
use super::acl::Account;
#[cfg(feature = "server")]
use super::checks::Named;
#[cfg(feature = "server")]
use super::clients::Traffic;
#[cfg(feature = "server")]
use super::row::Row;
#[cfg(feature = "server")]
use super::row::flag::{ADMIN, SCRIPTS};
#[cfg(feature = "server")]
use super::saving::Shutdown;
use super::session::Session;
#[cfg(feature = "server")]
use super::transaction::Queue;
use crate::reply::Reply;
use crate::resp::{Dialect, encode};

impl Session {
    /// When it has last done anything, on the store's clock, give or take some milliseconds.
    #[cfg(feature = "server")]
    pub(crate) fn last_command(&self) -> u64 {
        self.client.at()
    }

    /// Its number, from 1, as `CLIENT ID` tells it.
    #[cfg(feature = "server")]
    pub(crate) fn id(&self) -> u64 {
        self.client.id
    }

    /// What its connection has moved and keeps.
    #[cfg(feature = "server")]
    pub(crate) fn traffic(&self) -> &Traffic {
        &self.client.traffic
    }

    /// Whether its last command got no reply for that.
    #[cfg(feature = "redis")]
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Whether it may run commands: it has given the password, or there is none.
    pub(crate) fn may_call(&self) -> bool {
        self.is_known || self.shared().users.is_open()
    }

    /// The longest argument that it takes, in bytes.
    #[cfg(any(feature = "redis", feature = "server"))]
    pub(crate) fn longest_argument(&self) -> usize {
        self.db.space().limits().value
    }

    /// What the commands since its `MULTI` take, in bytes. O(1)
    #[cfg(feature = "server")]
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queue.as_ref().map_or(0, Queue::bytes)
    }

    /// The same, behind what is in a buffer.
    pub(crate) fn encode_to(&self, reply: &Reply, out: &mut Vec<u8>) {
        encode(reply, self.dialect(), out);
    }

    /// How its client is written to.
    pub(crate) fn dialect(&self) -> Dialect {
        Dialect { protocol: self.protocol, compat: self.compat }
    }

    /// The same session as that of a client of a server.
    #[cfg(feature = "server")]
    pub(crate) fn served(mut self) -> Self {
        self.is_served = true;
        self
    }

    /// The same session as that of who runs the server: it may do everything, and is held back by nobody.
    #[cfg(feature = "server")]
    pub(crate) fn trusted(mut self) -> Self {
        self.is_trusted = true;
        self.become_user(Some(Account::trusted()));
        // It is no client, whom others could see and disconnect.
        self.shared().clients.disconnect(&self.client);
        self
    }

    /// Whether a command may keep its thread for long: it runs a script, or writes a file.
    #[cfg(feature = "server")]
    pub(crate) fn takes_long(&self, found: &Named) -> bool {
        let writes_file = |row: &Row| row.has(ADMIN) && matches!(row.name, "save" | "shutdown");
        let runs = |row: &Row| row.has(SCRIPTS) || (row.name == "exec" && self.queue.is_some());
        found.as_ref().is_ok_and(|row| runs(row) || writes_file(row))
    }

    /// How its server is to end, if its client has said so.
    #[cfg(feature = "server")]
    pub(crate) fn shuts_down(&self) -> Option<Shutdown> {
        self.shuts_down
    }
}
