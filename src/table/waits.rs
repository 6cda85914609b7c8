//! How commands that wait begin to.

use std::sync::Arc;
use std::time::Duration;

use super::acl::Claim;
use super::call::Blocked;
use super::row::Row;
use super::session::{Outcome, Session, Waiting};
use crate::Bytes;
use crate::clock::{NEVER, millis};
use crate::command::blocking::{self, Asker, Order, Patience, Permit, Start, Ticket};
use crate::reply::{ErrorReply, Reply};

impl Session {
    /// The reply to a command, at once, when it has slept, or when another thread tells it.
    pub(super) fn outcome(&mut self, reply: Reply) -> Outcome {
        #[cfg(feature = "server")]
        if let Some(ticket) = self.elsewhere.take() {
            let served = |served| if let blocking::Served::Told(reply) = served { reply } else { Reply::Nil };
            let waiting = Waiting { ticket, deadline: NEVER, served, nothing: reply };
            return Outcome::Waits(Box::new(waiting));
        }
        match self.sleeps.take() {
            None => Outcome::Reply(reply),
            Some(deadline) => {
                let ticket = Ticket::of_nobody(self.db.space());
                let waiting = Waiting { ticket, deadline, served: |_| Reply::Nil, nothing: reply };
                Outcome::Waits(Box::new(waiting))
            }
        }
    }

    /// Begins a command that may wait; within a transaction it does not.
    pub(super) fn wait(
        &mut self,
        row: &'static Row,
        words: &[Bytes],
        blocked: Blocked,
    ) -> Result<Outcome, ErrorReply> {
        let Blocked { keys, attempt, timeout, served, nothing } = blocked;
        let space = self.db.space();
        if self.db.in_transaction() {
            let names: Vec<_> =
                keys.iter().chain(attempt.destination()).map(|name| space.key_ref(name)).collect();
            let got = self
                .db
                .write(&names, |writer| blocking::try_each(writer, &keys, &attempt, Patience::Leaves))?;
            return Ok(Outcome::Reply(got.map_or(nothing, served)));
        }
        let deadline = timeout.map_or(NEVER, |timeout| space.clock().now().saturating_add(millis(timeout)));
        let patience = if timeout == Some(Duration::ZERO) { Patience::Leaves } else { Patience::Waits };
        let mut claim = None;
        let permit = || {
            claim = Claim::new(&self.account, row, words, self.compat, self.db.index()).map(Arc::new);
            claim.clone().map(|claim| claim as Arc<dyn Permit>)
        };
        // Since 7.2 Redis runs the command again.
        let order = if self.compat.redis() < (7, 2) { Order::AsFilled } else { Order::AsNamed };
        let asker = Asker { db: self.db.index(), leaves_no_trace: self.db.leaves_no_trace(), order };
        let started = blocking::start(space, asker, keys, attempt, patience, permit)?;
        self.claim = claim;
        Ok(match started {
            Start::Served(got) => Outcome::Reply(served(got)),
            Start::Nothing => Outcome::Reply(nothing),
            // Who has waited in vain gets this, also where nothing is something else elsewhere.
            Start::Waits(ticket) => {
                self.client.set_waits(Some(ticket.rouse()));
                // Who was killed before that was not roused.
                if self.is_killed() {
                    self.client.rouse(false);
                }
                let waiting = Waiting { ticket, deadline, served, nothing: Reply::NilArray };
                Outcome::Waits(Box::new(waiting))
            }
        })
    }
}
