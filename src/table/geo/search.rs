//! GEOSEARCH, GEORADIUS and their kin: one grammar.

use super::{coordinates, four_decimals, position, unit};
use crate::Bytes;
use crate::command::geo::{self, Center, Found, Limit, Order, Query, Region, Stored};
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::reply::{ErrorReply, Reply};
use crate::table::args::{Args, is};
use crate::table::call::{Answer, Call};
use crate::table::row::Compat;
use crate::text::number;
use crate::value::geo::{Polygon, Shape};
use crate::value::sorted_set::SortedSet;

pub(super) fn search(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let exists = exists(call, key)?;
    let mut words = Words::new(Family::Search);
    words.read_options(call, key, exists)?;
    words.answer(call, key, exists)
}

pub(super) fn search_store(call: &mut Call<'_>) -> Answer {
    let (destination, key) = (call.args.next()?, call.key()?);
    let exists = exists(call, key)?;
    let mut words = Words::new(Family::SearchStore);
    words.destination = Some(destination);
    words.read_options(call, key, exists)?;
    words.answer(call, key, exists)
}

pub(super) fn around(call: &mut Call<'_>) -> Answer {
    radius(call, Family::Radius)
}

pub(super) fn around_read(call: &mut Call<'_>) -> Answer {
    radius(call, Family::RadiusRead)
}

pub(super) fn around_member(call: &mut Call<'_>) -> Answer {
    radius_by_member(call, Family::Radius)
}

pub(super) fn around_member_read(call: &mut Call<'_>) -> Answer {
    radius_by_member(call, Family::RadiusRead)
}

fn radius(call: &mut Call<'_>, family: Family) -> Answer {
    let key = call.key()?;
    let exists = exists(call, key)?;
    let mut words = Words::new(family);
    words.center = Some(Center::Position(position(&mut call.args)?));
    words.read_radius(&mut call.args)?;
    words.read_options(call, key, exists)?;
    words.answer(call, key, exists)
}

fn radius_by_member(call: &mut Call<'_>, family: Family) -> Answer {
    let key = call.key()?;
    let exists = exists(call, key)?;
    let mut words = Words::new(family);
    if exists {
        words.center = Some(member(call, key)?);
        words.read_radius(&mut call.args)?;
    } else {
        // Nobody looks at what cannot be found.
        call.args.take_many(3)?;
    }
    words.read_options(call, key, exists)?;
    words.answer(call, key, exists)
}

fn exists(call: &Call<'_>, key: KeyRef<'_>) -> Result<bool, ErrorReply> {
    Ok(call.read(key, |view: &View<'_>, key| Ok(view.find::<SortedSet>(key)?.is_some()))?)
}

/// The next word as a member that is there.
fn member(call: &mut Call<'_>, key: KeyRef<'_>) -> Result<Center, ErrorReply> {
    let member = call.args.take_many(1)?;
    let found = call.read(key, |view, key| geo::positions(view, key, member))?;
    match (found.first(), member.first()) {
        (Some(Some(_)), Some(member)) => Ok(Center::Member(member.clone())),
        (_, Some(member)) if call.compat() == Compat::Valkey9 => {
            // Valkey's string ends with the first zero byte there.
            let member = member.split(|byte| *byte == 0).next().unwrap_or_default();
            Err(ErrorReply::of_bytes([b"ERR member ", member, b" does not exist"].concat()))
        }
        _ => Err(crate::Error::NoSuchMember.into()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// GEORADIUS, GEORADIUSBYMEMBER
    Radius,
    /// The same without a way to store.
    RadiusRead,
    Search,
    SearchStore,
}

/// What a command's words say.
struct Words<'c> {
    family: Family,
    center: Option<Center>,
    shape: Option<Shape>,
    polygon: Option<Polygon>,
    /// In meters.
    unit: f64,
    order: Order,
    count: Option<usize>,
    any: bool,
    with_distance: bool,
    with_hash: bool,
    with_position: bool,
    destination: Option<&'c Bytes>,
    stores_distances: bool,
}

impl<'c> Words<'c> {
    fn new(family: Family) -> Self {
        Words {
            family,
            center: None,
            shape: None,
            polygon: None,
            unit: 1.0,
            order: Order::Found,
            count: None,
            any: false,
            with_distance: false,
            with_hash: false,
            with_position: false,
            destination: None,
            stores_distances: false,
        }
    }

    fn read_radius(&mut self, args: &mut Args<'_>) -> Result<(), ErrorReply> {
        let radius = number(args, "ERR need numeric radius")?;
        if radius < 0.0 {
            return Err(ErrorReply::known("ERR radius cannot be negative"));
        }
        self.unit = unit(args)?;
        self.shape = Some(Shape::Circle { radius: radius * self.unit });
        Ok(())
    }

    fn read_box(&mut self, args: &mut Args<'_>) -> Result<(), ErrorReply> {
        let (width, height) =
            (number(args, "ERR need numeric width")?, number(args, "ERR need numeric height")?);
        if width < 0.0 || height < 0.0 {
            return Err(ErrorReply::known("ERR height or width cannot be negative"));
        }
        self.unit = unit(args)?;
        self.shape = Some(Shape::Rectangle { width: width * self.unit, height: height * self.unit });
        Ok(())
    }

    /// A number of vertices, and their longitudes and latitudes.
    fn read_polygon(&mut self, args: &mut Args<'_>) -> Result<(), ErrorReply> {
        const TOO_FEW: ErrorReply =
            ErrorReply::known("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices");
        let count = number::parse_i64(args.next()?).and_then(|count| i32::try_from(count).ok());
        let count = count.ok_or(ErrorReply::known("ERR invalid number of vertices"))?;
        let count = usize::try_from(count).unwrap_or(0);
        if count < 3 || args.len() / 2 < count {
            return Err(TOO_FEW);
        }
        let vertices = (0..count).map(|_| position(args)).collect::<Result<_, _>>()?;
        self.polygon = Some(Polygon::new(vertices).ok_or(TOO_FEW)?);
        Ok(())
    }

    fn read_options(&mut self, call: &mut Call<'c>, key: KeyRef<'_>, exists: bool) -> Result<(), ErrorReply> {
        let searches = matches!(self.family, Family::Search | Family::SearchStore);
        let has_member = |words: &Self| matches!(words.center, Some(Center::Member(_)));
        let has_position = |words: &Self| matches!(words.center, Some(Center::Position(_)));
        let has_circle = |words: &Self| matches!(words.shape, Some(Shape::Circle { .. }));
        let has_box = |words: &Self| matches!(words.shape, Some(Shape::Rectangle { .. }));
        let has_none = |words: &Self| words.center.is_none() && words.shape.is_none();
        let has_polygons = call.compat() == Compat::Valkey9;
        while let Some(word) = call.args.take() {
            let left = call.args.len();
            let is_open = searches && self.polygon.is_none();
            if is(word, "WITHDIST") {
                self.with_distance = true;
            } else if is(word, "WITHHASH") {
                self.with_hash = true;
            } else if is(word, "WITHCOORD") {
                self.with_position = true;
            } else if is(word, "ANY") {
                self.any = true;
            } else if is(word, "ASC") {
                self.order = Order::Nearest;
            } else if is(word, "DESC") {
                self.order = Order::Farthest;
            } else if is(word, "COUNT") && left >= 1 {
                let count = call.args.integer()?;
                if count <= 0 {
                    return Err(ErrorReply::known("ERR COUNT must be > 0"));
                }
                self.count = Some(usize::try_from(count).unwrap_or(usize::MAX));
            } else if self.family == Family::Radius
                && left >= 1
                && (is(word, "STORE") || is(word, "STOREDIST"))
            {
                self.destination = Some(call.args.next()?);
                self.stores_distances = is(word, "STOREDIST");
            } else if is_open && is(word, "FROMMEMBER") && left >= 1 && !has_position(self) {
                self.center = Some(match exists {
                    true => member(call, key)?,
                    false => Center::Member(call.args.next()?.clone()),
                });
            } else if is_open && is(word, "FROMLONLAT") && left >= 2 && !has_member(self) {
                self.center = Some(Center::Position(position(&mut call.args)?));
            } else if is_open && is(word, "BYRADIUS") && left >= 2 && !has_box(self) {
                self.read_radius(&mut call.args)?;
            } else if is_open && is(word, "BYBOX") && left >= 3 && !has_circle(self) {
                self.read_box(&mut call.args)?;
            } else if searches && has_polygons && is(word, "BYPOLYGON") && left >= 2 && has_none(self) {
                self.read_polygon(&mut call.args)?;
            } else if self.family == Family::SearchStore && is(word, "STOREDIST") {
                self.stores_distances = true;
            } else {
                return Err(ErrorReply::SYNTAX);
            }
        }
        self.check(call)
    }

    /// Whether the words go together.
    fn check(&self, call: &Call<'_>) -> Result<(), ErrorReply> {
        let stores = self.destination.is_some();
        if stores && (self.with_distance || self.with_hash || self.with_position) {
            return Err(ErrorReply::known(match self.family {
                Family::SearchStore => {
                    "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
                }
                _ => {
                    "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
                }
            }));
        }
        if matches!(self.family, Family::Search | Family::SearchStore) && self.polygon.is_none() {
            let which = match (&self.center, &self.shape) {
                (None, _) => "FROMMEMBER or FROMLONLAT",
                (_, None) if call.compat() == Compat::Valkey9 => "BYRADIUS, BYBOX and BYPOLYGON",
                (_, None) => "BYRADIUS and BYBOX",
                _ => "",
            };
            if !which.is_empty() {
                let text = format!("ERR exactly one of {which} can be specified for ");
                return Err(ErrorReply::of_bytes([text.as_bytes(), call.said].concat()));
            }
        }
        if self.any && self.count.is_none() {
            return Err(ErrorReply::known("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }

    fn answer(self, call: &Call<'c>, key: KeyRef<'_>, exists: bool) -> Answer {
        let limit = match (self.count, self.any) {
            (None, _) => Limit::None,
            (Some(count), false) => Limit::First(count),
            (Some(count), true) => Limit::Any(count),
        };
        // A key that is missing has no member to start from: whatever stands here is not looked at.
        let center = self.center.clone().unwrap_or(Center::Member(Bytes::new()));
        let shape = self.shape.unwrap_or(Shape::Circle { radius: 0.0 });
        let region = match self.polygon.clone() {
            Some(polygon) => Region::Polygon(polygon),
            None => Region::Around(center, shape),
        };
        let query = Query { region, order: self.order, limit };
        if let Some(destination) = self.destination {
            let destination = call.key_ref(destination);
            let stored = if self.stores_distances { Stored::Distances(self.unit) } else { Stored::Positions };
            let event = match self.family {
                Family::SearchStore => KeyEvent::GeoSearchStore,
                _ => KeyEvent::GeoRadiusStore,
            };
            let len = call.write_all(&[destination, key], |writer| {
                geo::search_into(writer, destination, key, &query, stored, event)
            })?;
            return Ok(Reply::count(len));
        }
        if !exists {
            return Ok(Reply::Array(Vec::new()));
        }
        let found = query.arrange(call.read(key, |view, key| geo::search(view, key, &query))?);
        Ok(Reply::Array(found.into_iter().map(|found| self.tell(found, call)).collect()))
    }

    /// A member, with what is asked for beside it.
    fn tell(&self, found: Found, call: &Call<'_>) -> Reply {
        let member = Reply::Bulk(found.member);
        if !(self.with_distance || self.with_hash || self.with_position) {
            return member;
        }
        let mut told = vec![member];
        if self.with_distance {
            told.push(four_decimals(found.meters / self.unit, call.compat()));
        }
        if self.with_hash {
            told.push(Reply::Integer(found.score as i64));
        }
        if self.with_position {
            told.push(coordinates(found.position));
        }
        Reply::Array(told)
    }
}

fn number(args: &mut Args<'_>, otherwise: &'static str) -> Result<f64, ErrorReply> {
    let number = number::parse_f64(args.next()?);
    number.ok_or(ErrorReply::known(otherwise))
}
