//! What others may do to a session's command, and to the session itself: hold it back, end its wait, cut it off.

use std::sync::Arc;

use super::acl::Claim;
use super::session::Session;
use crate::Bytes;
use crate::command::blocking;
use crate::reply::{ErrorReply, Reply};
use crate::wake::Wakes;

impl Session {
    /// Until when a command is not to be carried out yet: `CLIENT PAUSE`.
    #[inline]
    pub(crate) fn held_back(&self, words: &[Bytes]) -> Option<u64> {
        if !self.shared().pause.is_on() || self.is_over() {
            return None;
        }
        self.held_back_by_pause(words)
    }

    #[cold]
    fn held_back_by_pause(&self, words: &[Bytes]) -> Option<u64> {
        #[cfg(feature = "server")]
        if self.is_trusted {
            return None;
        }
        // What is wrong is told at once.
        let row = self.check(words).ok()?;
        #[cfg(feature = "lua")]
        let writes = self.may_write(row, words);
        #[cfg(not(feature = "lua"))]
        let writes = self.has_flag(row, super::row::flag::WRITE | super::row::flag::MAY_REPLICATE);
        let until = self.shared().pause.holds(self.db.space().clock(), writes)?;
        self.client.note(|facts| facts.waits = true);
        Some(until)
    }

    /// What stands for the reply of a session that is connected no more.
    #[cold]
    pub(crate) fn cut_off(&mut self) -> Reply {
        #[cfg(feature = "redis")]
        {
            self.is_cut = true;
        }
        self.hang_up();
        Reply::Error(ErrorReply::known("LOST the connection was closed"))
    }

    /// Has all clients that have nothing to do look at how long they may be idle.
    pub(super) fn have_all_look(&self) {
        let mut wakes = Wakes::default();
        for client in self.shared().clients.all() {
            client.ear.mail.nudge(&mut wakes);
        }
        self.wake_all(wakes);
    }

    /// It waits no more.
    pub(crate) fn rest(&mut self) {
        self.claim = None;
        self.client.set_waits(None);
        // What it has done last ends now.
        let at = self.db.space().clock().about_now();
        self.client.note(|facts| {
            (facts.waits, facts.has_deadline) = (false, false);
            facts.at = at;
        });
    }

    /// How a command that has waited ends.
    pub(crate) fn woken(
        &mut self,
        got: crate::Result<Option<blocking::Served>>,
        served: fn(blocking::Served) -> Reply,
        nothing: Reply,
    ) -> Reply {
        let claim = self.claim.take();
        self.rest();
        let reply = match got {
            Ok(Some(blocking::Served::Refused)) => return self.turned_away(claim),
            Ok(Some(blocking::Served::Unblocked)) => {
                ErrorReply::known("UNBLOCKED client unblocked via CLIENT UNBLOCK").into()
            }
            Ok(Some(got)) => served(got),
            Ok(None) => nothing,
            Err(error) => error.into(),
        };
        self.measure_woken(&reply);
        reply
    }

    /// It is not to have what it has waited for: its command counts as one that was never carried out.
    #[cold]
    fn turned_away(&mut self, claim: Option<Arc<Claim>>) -> Reply {
        self.forget_wait();
        let Some((row, error)) = claim.and_then(|claim| self.denied(&claim)) else { return Reply::NilArray };
        self.shared().measures.reject(Some(row), &error);
        error.into()
    }

    /// All that others keep for it goes: nobody is at its other end any more.
    pub(super) fn hang_up(&mut self) {
        self.is_over = true;
        self.queue = None;
        #[cfg(feature = "testing")]
        self.drop_plan();
        self.forget_watched();
        if let Some(tracker) = self.client.known_tracker() {
            self.db.space().tracking().leave(tracker);
        }
        self.shared().leave(&self.client);
        let client = Arc::clone(&self.client);
        self.db.space().when_free(move |_| client.cut());
    }

    /// Wakes those to whom something was sent; at the end of a transaction, if it is in one.
    pub(super) fn wake_all(&self, wakes: Wakes) {
        match self.db.transaction() {
            None => self.db.space().when_free(move |_| wakes.wake()),
            // It has not ended: the session is within it.
            Some(_) => drop(self.db.write(&[], |writer| {
                writer.wakes().append(wakes);
                Ok(())
            })),
        }
    }
}
