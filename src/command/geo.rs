//! Positions in sorted sets: what GEOADD, GEOSEARCH and their kin mean.

// Some of it is reached by commands alone.
#![cfg_attr(not(feature = "commands"), allow(dead_code, unused_imports))]

use std::cmp::Ordering;
use std::ops::Bound;

use super::sorted_set::range::store;
use super::sorted_set::{self, InsertCount, InsertIf};
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::keyspace::writer::Writer;
use crate::value::geo::{Cell, Polygon, Position, Shape};
use crate::value::sorted_set::{Scored, SortedSet};
use crate::{Bytes, Error, Result};

/// What is searched for.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub region: Region,
    pub order: Order,
    pub limit: Limit,
}

/// In which part of the earth.
#[derive(Debug, Clone)]
pub(crate) enum Region {
    Around(Center, Shape),
    Polygon(Polygon),
}

/// From where.
#[derive(Debug, Clone)]
pub(crate) enum Center {
    Position(Position),
    Member(Bytes),
}

/// In which order what was found is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// As it was come upon.
    Found,
    Nearest,
    Farthest,
}

/// How many are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    None,
    /// The first so many in their order.
    First(usize),
    /// So many that are come upon first.
    Any(usize),
}

/// A member that lies in the area.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub member: Bytes,
    pub score: f64,
    pub position: Position,
    /// From the center.
    pub meters: f64,
}

/// What the members of a destination get for scores.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stored {
    Positions,
    /// Their distances from the center, in units of so many meters.
    Distances(f64),
}

/// GEOADD: how many members were added, and how many were moved.
pub(crate) fn add(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    entries: &[(Bytes, Position)],
    condition: InsertIf,
) -> Result<InsertCount> {
    let scored = entries.iter().map(|(member, position)| {
        check(*position)?;
        Ok((member.clone(), Cell::of_position(*position).score()))
    });
    let scored = scored.collect::<Result<Vec<_>>>()?;
    sorted_set::add(writer, key, &scored, condition)
}

/// GEOPOS: where each of the members is, in the middle of its cell, if it is there.
pub(crate) fn positions(
    view: &View<'_>,
    key: KeyRef<'_>,
    members: &[Bytes],
) -> Result<Vec<Option<Position>>> {
    let scores = sorted_set::scores(view, key, members)?;
    Ok(scores.into_iter().map(|score| Some(Cell::of_score(score?).center())).collect())
}

/// GEOHASH
pub(crate) fn geohashes(view: &View<'_>, key: KeyRef<'_>, members: &[Bytes]) -> Result<Vec<Option<String>>> {
    let scores = sorted_set::scores(view, key, members)?;
    Ok(scores.into_iter().map(|score| Some(Cell::of_score(score?).geohash())).collect())
}

/// GEODIST: how many meters two members are apart, if both are there.
pub(crate) fn meters(view: &View<'_>, key: KeyRef<'_>, members: &[Bytes; 2]) -> Result<Option<f64>> {
    let positions = positions(view, key, members)?;
    Ok(match positions[..] {
        [Some(from), Some(to)] => Some(from.meters_to(to)),
        _ => None,
    })
}

/// GEOSEARCH: what lies in the area, not yet in the query's order: [`Query::arrange`] is for those who hold no
/// lock.
///
/// # Errors
/// [`Error::NoSuchMember`] if the center is a member that is not there, of a key that is.
pub(crate) fn search(view: &View<'_>, key: KeyRef<'_>, query: &Query) -> Result<Vec<Found>> {
    query.check()?;
    match view.find::<SortedSet>(key)? {
        Some(set) => query.run(set),
        None => Ok(Vec::new()),
    }
}

/// GEOSEARCHSTORE: how many members the destination has now.
pub(crate) fn search_into(
    writer: &mut Writer<'_>,
    destination: KeyRef<'_>,
    key: KeyRef<'_>,
    query: &Query,
    stored: Stored,
    event: KeyEvent,
) -> Result<usize> {
    let found = query.arrange(search(writer.view().quiet(), key, query)?);
    let score = |found: &Found| match stored {
        Stored::Positions => found.score,
        Stored::Distances(unit) => found.meters / unit,
    };
    let mut members: Vec<Scored> = found.into_iter().map(|found| (score(&found), found.member)).collect();
    members.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    store(writer, destination, members, event)
}

impl Query {
    /// Puts what a [`search`] has found in order, and cuts it to the limit. O(n log n)
    pub(crate) fn arrange(&self, mut found: Vec<Found>) -> Vec<Found> {
        // The first ones are the nearest unless another order is asked for.
        let order = match (self.order, self.limit) {
            (Order::Found, Limit::First(_)) => Order::Nearest,
            (order, _) => order,
        };
        match order {
            Order::Found => {}
            Order::Nearest => found.sort_by(|a, b| a.meters.total_cmp(&b.meters)),
            Order::Farthest => found.sort_by(|a, b| b.meters.total_cmp(&a.meters)),
        }
        if let Limit::First(most) | Limit::Any(most) = self.limit {
            found.truncate(most);
        }
        found
    }

    fn check(&self) -> Result<()> {
        let (center, shape) = match &self.region {
            Region::Around(center, shape) => (center, shape),
            Region::Polygon(polygon) => {
                return polygon.vertices().iter().try_for_each(|vertex| check(*vertex));
            }
        };
        if !shape.is_valid() {
            return Err(Error::Invalid(match shape {
                Shape::Circle { .. } => "radius cannot be negative",
                Shape::Rectangle { .. } => "height or width cannot be negative",
            }));
        }
        match center {
            Center::Position(position) => check(*position),
            Center::Member(_) => Ok(()),
        }
    }

    /// Looks through the cells that cover the region. O(log n) each, and O(1) for each member in them.
    fn run(&self, set: &SortedSet) -> Result<Vec<Found>> {
        let most = if let Limit::Any(most) = self.limit { most } else { usize::MAX };
        Ok(match &self.region {
            Region::Around(center, shape) => {
                let center = center.in_set(set)?;
                look(set, &shape.cells(center), most, |position| shape.meters_within(center, position))
            }
            Region::Polygon(polygon) => {
                look(set, &polygon.cells(), most, |position| polygon.meters_within(position))
            }
        })
    }
}

impl Center {
    fn in_set(&self, set: &SortedSet) -> Result<Position> {
        match self {
            Center::Position(position) => Ok(*position),
            Center::Member(member) => {
                Ok(Cell::of_score(set.score(member).ok_or(Error::NoSuchMember)?).center())
            }
        }
    }
}

/// The first members in these cells of whose positions `meters_within` gives something.
fn look(
    set: &SortedSet,
    cells: &[Cell],
    most: usize,
    meters_within: impl Fn(Position) -> Option<f64>,
) -> Vec<Found> {
    let members = cells.iter().flat_map(|cell| {
        let (least, end) = cell.scores();
        set.range(set.ranks_by_score((Bound::Included(least), Bound::Excluded(end))))
    });
    let found = members.filter_map(|(score, member)| {
        let position = Cell::of_score(score).center();
        let meters = meters_within(position)?;
        Some(Found { member: Bytes::from(member), score, position, meters })
    });
    found.take(most).collect()
}

fn check(position: Position) -> Result<()> {
    let Position { longitude, latitude } = position;
    if position.is_valid() { Ok(()) } else { Err(Error::InvalidPosition { longitude, latitude }) }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn position() -> impl Strategy<Value = Position> {
        // All around, and close to each other.
        prop_oneof![
            (-180.0..=180.0_f64, -85.0..=85.0_f64),
            (13.0..13.2_f64, 38.0..38.1_f64),
            (-0.01..0.01_f64, -0.01..0.01_f64),
        ]
        .prop_map(|(longitude, latitude)| Position { longitude, latitude })
    }

    fn shape() -> impl Strategy<Value = Shape> {
        let meters = || (0.0..6.0_f64).prop_map(|power| 10_f64.powf(power));
        prop_oneof![
            meters().prop_map(|radius| Shape::Circle { radius }),
            (meters(), meters()).prop_map(|(width, height)| Shape::Rectangle { width, height }),
        ]
    }

    fn set_of(positions: &[Position]) -> SortedSet {
        let mut set = SortedSet::default();
        for (at, position) in positions.iter().enumerate() {
            set.insert(&Bytes::from(format!("{at:04}")), Cell::of_position(*position).score());
        }
        set
    }

    proptest! {
        #[test]
        fn a_search_finds_what_a_look_at_each_does(
            positions in vec(position(), 0..120), at in any::<prop::sample::Index>(), shape in shape(),
        ) {
            let set = set_of(&positions);
            // Near a pole, and across the 180th meridian from far, Redis's cells do not cover all.
            let center = positions.get(at.index(positions.len().max(1))).copied().unwrap_or_default();
            prop_assume!(center.latitude.abs() < 60.0 && center.longitude.abs() < 150.0);
            let query = Query {
                region: Region::Around(Center::Position(center), shape),
                order: Order::Found,
                limit: Limit::None,
            };
            let mut found: Vec<Bytes> = query.run(&set).unwrap().into_iter().map(|found| found.member).collect();
            found.sort_unstable();
            let within = |(score, _): &(f64, &[u8])| {
                shape.meters_within(center, Cell::of_score(*score).center()).is_some()
            };
            let mut all: Vec<Bytes> = set.iter().filter(within).map(|(_, member)| Bytes::from(member)).collect();
            all.sort_unstable();
            prop_assert_eq!(&found, &all);

            let first = query.run(&set).unwrap();
            for most in [1, 3] {
                let any = Query { limit: Limit::Any(most), ..query.clone() };
                let some: Vec<f64> = any.run(&set).unwrap().iter().map(|found| found.meters).collect();
                let expected: Vec<f64> = first.iter().take(most).map(|found| found.meters).collect();
                prop_assert_eq!(some, expected);
                let nearest = Query { limit: Limit::First(most), ..query.clone() }.arrange(first.clone());
                let mut expected: Vec<f64> = first.iter().map(|found| found.meters).collect();
                expected.sort_by(f64::total_cmp);
                expected.truncate(most);
                prop_assert_eq!(nearest.iter().map(|found| found.meters).collect::<Vec<_>>(), expected);
            }
        }
    }
}
