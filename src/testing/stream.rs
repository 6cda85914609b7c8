//! A stream as text: its entries, and what its groups know.

use std::collections::BTreeMap;

use super::show;
use crate::Bytes;
use crate::value::stream::{Group, Stream, StreamId};

/// What a stream has, in the order in which it is shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Entry(StreamId),
    /// The id that the next entry has to be above.
    Last,
    Group(Bytes),
    Consumer(Bytes, Bytes),
    /// An entry that was delivered and not acknowledged.
    Pending(Bytes, StreamId),
    /// What a producer has called an entry.
    Message(Bytes, Bytes),
}

/// Each part with what is said of it. When something was read or delivered is left out: that differs from run to run.
pub(super) fn parts(stream: &Stream) -> BTreeMap<Part, String> {
    let mut parts = BTreeMap::new();
    for entry in stream.range(StreamId::MIN, StreamId::MAX) {
        let fields =
            entry.fields().map(|(name, value)| format!("{} = {}", show::bytes(name), show::bytes(value)));
        parts.insert(Part::Entry(entry.id), fields.collect::<Vec<_>>().join(", "));
    }
    let last = stream.facts().last;
    if stream.last() != Some(last) {
        parts.insert(Part::Last, last.to_string());
    }
    stream.groups().for_each(|group| add_group(&mut parts, group));
    for (producer, messages) in stream.producers().into_iter().flat_map(|producers| producers.iter()) {
        let message =
            |(id, name): &(StreamId, Bytes)| (Part::Message(producer.clone(), name.clone()), id.to_string());
        parts.extend(messages.map(message));
    }
    parts
}

fn add_group(parts: &mut BTreeMap<Part, String>, group: &Group) {
    let name = group.name();
    parts.insert(Part::Group(name.clone()), format!("delivered up to {}", group.last));
    for (_, consumer) in group.consumers() {
        let pending = format!("{} pending", consumer.pending.len());
        parts.insert(Part::Consumer(name.clone(), consumer.name.clone()), pending);
    }
    for (id, pending) in group.pending().from(StreamId::MIN) {
        let owner = pending.consumer.and_then(|number| group.consumer(number));
        let owner = owner.map_or("nobody".into(), |owner| show::bytes(&owner.name));
        let said = format!("with {owner}, delivered {}", show::count(pending.count as usize, "time"));
        parts.insert(Part::Pending(name.clone(), id), said);
    }
}

/// A part, on a line.
pub(super) fn line(part: &Part, said: &str) -> String {
    match part {
        Part::Entry(id) => format!("{id} {said}"),
        Part::Last => format!("last id {said}"),
        Part::Group(group) => format!("group {} {said}", show::bytes(group)),
        Part::Consumer(group, consumer) => {
            format!("group {} consumer {}: {said}", show::bytes(group), show::bytes(consumer))
        }
        Part::Pending(group, id) => format!("group {} pending {id}: {said}", show::bytes(group)),
        Part::Message(producer, message) => {
            format!("producer {} message {}: {said}", show::bytes(producer), show::bytes(message))
        }
    }
}
