//! Lists: what LPUSH and its kin mean.

use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::keyspace::writer::{Absent, Writer};
use crate::value::list::{End, List};
use crate::{Bytes, Result};

/// LPUSH, RPUSH (and with [`Absent::Skip`] LPUSHX, RPUSHX): the list's new length.
pub(crate) fn push(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    end: End,
    elements: Vec<Bytes>,
    absent: Absent,
) -> Result<usize> {
    let pushed = writer.update(key, absent, |list: &mut List| {
        let event = (!elements.is_empty()).then_some(pushed_at(end));
        elements.into_iter().for_each(|element| list.push(end, element));
        Ok((list.len(), event))
    })?;
    Ok(pushed.unwrap_or(0))
}

/// LPOP, RPOP: at most `count` elements, none if the key is missing.
pub(crate) fn pop(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    end: End,
    count: usize,
) -> Result<Option<Vec<Bytes>>> {
    writer.update(key, Absent::Skip, |list: &mut List| {
        let popped: Vec<Bytes> = (0..count).map_while(|_| list.pop(end)).collect();
        let event = (!popped.is_empty()).then_some(popped_at(end));
        Ok((popped, event))
    })
}

/// LLEN
pub(crate) fn len(view: &View<'_>, key: KeyRef<'_>) -> Result<usize> {
    Ok(view.find::<List>(key)?.map_or(0, List::len))
}

fn pushed_at(end: End) -> KeyEvent {
    match end {
        End::Front => KeyEvent::LPush,
        End::Back => KeyEvent::RPush,
    }
}

fn popped_at(end: End) -> KeyEvent {
    match end {
        End::Front => KeyEvent::LPop,
        End::Back => KeyEvent::RPop,
    }
}
