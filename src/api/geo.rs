//! Positions by member.

use std::marker::PhantomData;

use super::Database;
use super::handle::{Handle, decode, public_handle, sought};
use crate::command::geo::{self, Center, Found, Limit, Order, Query, Region, Stored};
use crate::command::sorted_set::{self, InsertCount, InsertIf, Inserted};
use crate::event::KeyEvent;
use crate::value::geo::{Distance, Polygon, Position, Shape};
use crate::{Decode, Element, Encode, Error, Key, Result};

/// A handle on the positions of members of type `M` on the earth, of which those in an [`Area`] are found
/// without looking at the others.
///
/// They stand in a sorted set, as in Redis: [`Database::sorted_set`] on the same key counts, walks and removes
/// them, and positions that come as scores from a Redis mean the same here.
///
/// - **Members**: [`insert`](Self::insert), [`insert_many`](Self::insert_many), [`remove`](Self::remove),
///   [`position`](Self::position), [`distance`](Self::distance), [`geohash`](Self::geohash).
/// - **Near a position**: [`search`](Self::search), [`search_with`](Self::search_with),
///   [`search_into`](Self::search_into).
/// - **Near a member**: [`search_from`](Self::search_from), [`search_from_with`](Self::search_from_with),
///   [`search_from_into`](Self::search_from_into).
/// - **Within borders**: [`search_polygon`](Self::search_polygon).
///
/// A missing key has no members. Close to a pole, and across the 180th meridian, a search may miss what lies far
/// from its center: it looks where Redis does.
///
/// ```
/// use larder::{Area, Distance, Position, Store};
///
/// let store = Store::new();
/// let cities = store.geo::<String>("sicily");
/// cities.insert("Palermo", Position::new(13.361389, 38.115556))?;
/// cities.insert("Catania", Position::new(15.087269, 37.502669))?;
/// let near = cities.search(Position::new(15.0, 37.0), Area::radius(Distance::from_kilometers(200.0)))?;
/// let names: Vec<&str> = near.iter().map(|place| place.member.as_str()).collect();
/// assert_eq!(names, ["Catania", "Palermo"]); // the nearest first
/// assert_eq!(near[0].distance.as_kilometers().round(), 56.0);
/// # Ok::<(), larder::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidPosition`](crate::Error::InvalidPosition) for a position that cannot be stored, and
/// [`Error::WrongType`](crate::Error::WrongType) if the key holds no sorted set.
pub struct Geo<'a, M> {
    handle: Handle<'a>,
    member: PhantomData<fn() -> M>,
}

impl<'a, M> Geo<'a, M> {
    fn of(handle: Handle<'a>) -> Self {
        Geo { handle, member: PhantomData }
    }
}

/// A member that a search has found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Place<M> {
    /// What was found.
    pub member: M,
    /// Where it is.
    pub position: Position,
    /// How far that is from the center of the search.
    pub distance: Distance,
}

/// What a search looks for around its center.
///
/// ```
/// use larder::{Area, Distance, Position, Store};
///
/// let store = Store::new();
/// let stops = store.geo::<u32>("stops");
/// stops.insert(7, Position::new(13.40, 52.52))?;
/// let center = Position::new(13.41, 52.52); // 677 meters to the east
/// assert_eq!(stops.search(center, Area::radius(Distance::from_meters(700.0)))?.len(), 1);
/// let wide = Area::rectangle(Distance::from_kilometers(1.4), Distance::from_meters(10.0));
/// assert_eq!(stops.search(center, wide)?.len(), 1);
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area(Shape);

impl Area {
    /// All that is so far away at most (`BYRADIUS`). O(1)
    ///
    /// ```
    /// let near = larder::Area::radius(larder::Distance::from_meters(500.0));
    /// # let _ = near;
    /// ```
    #[doc(alias = "BYRADIUS")]
    pub const fn radius(radius: Distance) -> Self {
        Area(Shape::Circle { radius: radius.as_meters() })
    }

    /// A box of this width from west to east and this height from south to north, with the center in its middle
    /// (`BYBOX`). O(1)
    ///
    /// ```
    /// use larder::{Area, Distance};
    ///
    /// let map = Area::rectangle(Distance::from_kilometers(4.0), Distance::from_kilometers(3.0));
    /// # let _ = map;
    /// ```
    #[doc(alias = "BYBOX")]
    pub const fn rectangle(width: Distance, height: Distance) -> Self {
        Area(Shape::Rectangle { width: width.as_meters(), height: height.as_meters() })
    }
}

/// In which order a search gives what it finds, and how much of it.
///
/// ```
/// use larder::{Area, Distance, Position, SearchOptions, Store};
///
/// let store = Store::new();
/// let stops = store.geo::<u32>("stops");
/// stops.insert_many((0..10).map(|stop| (stop, Position::new(f64::from(stop) / 100.0, 0.0))))?;
/// let area = Area::radius(Distance::from_kilometers(100.0));
/// let options = SearchOptions::new().farthest_first().take(2);
/// let far = stops.search_with(Position::new(0.0, 0.0), area, options)?;
/// assert_eq!(far.iter().map(|place| place.member).collect::<Vec<_>>(), [9, 8]);
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchOptions {
    order: Order,
    limit: Limit,
}

impl Default for SearchOptions {
    fn default() -> Self {
        SearchOptions::new()
    }
}

impl SearchOptions {
    /// All of it, the nearest first.
    pub const fn new() -> Self {
        SearchOptions { order: Order::Nearest, limit: Limit::None }
    }

    /// The farthest first (`DESC`).
    #[must_use]
    pub const fn farthest_first(mut self) -> Self {
        self.order = Order::Farthest;
        self
    }

    /// At most `count`, the first ones in the order (`COUNT`).
    #[must_use]
    pub const fn take(mut self, count: usize) -> Self {
        self.limit = Limit::First(count);
        self
    }

    /// At most `count`, which ones is left open (`COUNT` with `ANY`): the search ends when it has found so many.
    #[must_use]
    pub const fn take_any(mut self, count: usize) -> Self {
        self.limit = Limit::Any(count);
        self
    }
}

impl Database {
    /// A handle on the positions at `key`. Nothing is made until a member is inserted. O(1)
    ///
    /// ```
    /// use larder::{Position, Store};
    ///
    /// let store = Store::new();
    /// store.geo::<String>("places").insert("home", Position::new(9.99, 53.55))?;
    /// assert_eq!(store.sorted_set::<String>("places").len()?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "GEOADD")]
    pub fn geo<'a, M: Encode + Decode>(&'a self, key: impl Into<Key<'a>>) -> Geo<'a, M> {
        Geo::of(Handle::new(self, key.into()))
    }
}

impl<M: Encode + Decode> Geo<'_, M> {
    /// Gives a member a position, whatever it had before; whether it is new. `GEOADD`, O(log n).
    ///
    /// ```
    /// use larder::{Position, Store};
    ///
    /// let store = Store::new();
    /// let taxis = store.geo::<u32>("taxis");
    /// assert!(taxis.insert(7, Position::new(13.40, 52.52))?);
    /// assert!(!taxis.insert(7, Position::new(13.41, 52.52))?); // it has moved
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Geo`]; [`Error::TooLong`](crate::Error::TooLong) for a member over the store's limit,
    /// [`Error::Encode`](crate::Error::Encode) for one that does not encode.
    #[doc(alias = "GEOADD")]
    pub fn insert(&self, member: impl Element<M>, position: Position) -> Result<bool> {
        Ok(self.insert_if(member, position, InsertIf::Always)? == Inserted::Added)
    }

    /// Gives several members their positions in one step; how many of them are new. `GEOADD`, O(log n) each.
    ///
    /// ```
    /// use larder::{Position, Store};
    ///
    /// let store = Store::new();
    /// let taxis = store.geo::<u32>("taxis");
    /// let added = taxis.insert_many([(7, Position::new(13.40, 52.52)), (8, Position::new(13.38, 52.51))])?;
    /// assert_eq!(added, 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert); then no position was set.
    #[doc(alias = "GEOADD")]
    pub fn insert_many(
        &self,
        members: impl IntoIterator<Item = (impl Element<M>, Position)>,
    ) -> Result<usize> {
        Ok(self.insert_many_if(members, InsertIf::Always)?.added)
    }

    /// Gives a member a position if it has none yet, or only if it has one; what came of it. The conditions on
    /// scores make no sense here. `GEOADD` with `NX`, `XX`; O(log n).
    ///
    /// ```
    /// use larder::{InsertIf, Inserted, Position, Store};
    ///
    /// let store = Store::new();
    /// let taxis = store.geo::<u32>("taxis");
    /// let moved = taxis.insert_if(7, Position::new(13.40, 52.52), InsertIf::Present)?;
    /// assert_eq!(moved, Inserted::Unchanged); // nobody knows that taxi
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert).
    #[doc(alias = "GEOADD")]
    pub fn insert_if(
        &self,
        member: impl Element<M>,
        position: Position,
        condition: InsertIf,
    ) -> Result<Inserted> {
        Ok(self.insert_many_if([(member, position)], condition)?.into())
    }

    /// Gives several members their positions in one step, each under a condition; how many are new, and how many
    /// have moved. `GEOADD` with `NX`, `XX` and `CH`; O(log n) each.
    ///
    /// ```
    /// use larder::{InsertIf, Position, Store};
    ///
    /// let store = Store::new();
    /// let taxis = store.geo::<u32>("taxis");
    /// taxis.insert(7, Position::new(13.40, 52.52))?;
    /// let here = Position::new(13.45, 52.50);
    /// let counts = taxis.insert_many_if([(7, here), (8, here)], InsertIf::Always)?;
    /// assert_eq!((counts.added, counts.updated), (1, 1));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert); then no position was set.
    #[doc(alias = "GEOADD")]
    pub fn insert_many_if(
        &self,
        members: impl IntoIterator<Item = (impl Element<M>, Position)>,
        condition: InsertIf,
    ) -> Result<InsertCount> {
        let members =
            members.into_iter().map(|(member, position)| Ok((self.handle.encode(member)?, position)));
        let members = members.collect::<Result<Vec<_>>>()?;
        self.handle.write(|writer, key| geo::add(writer, key, &members, condition))
    }

    /// Takes a member out; whether it was there. `ZREM`, O(log n).
    ///
    /// ```
    /// use larder::{Position, Store};
    ///
    /// let store = Store::new();
    /// let taxis = store.geo::<u32>("taxis");
    /// taxis.insert(7, Position::new(13.40, 52.52))?;
    /// assert!(taxis.remove(7)?);
    /// assert!(!taxis.remove(7)?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Encode`](crate::Error::Encode) for a member that does not encode.
    #[doc(alias = "ZREM")]
    pub fn remove(&self, member: impl Element<M>) -> Result<bool> {
        let member = sought([member])?;
        Ok(self.handle.write(|writer, key| sorted_set::remove(writer, key, &member))? > 0)
    }

    /// Where a member is, to within 0.6 meters; `None` if it is not there. `GEOPOS`, O(1).
    ///
    /// ```
    /// use larder::{Position, Store};
    ///
    /// let store = Store::new();
    /// let taxis = store.geo::<u32>("taxis");
    /// let here = Position::new(13.40, 52.52);
    /// taxis.insert(7, here)?;
    /// assert!(taxis.position(7)?.is_some_and(|found| found.distance(here).as_meters() < 0.6));
    /// assert_eq!(taxis.position(8)?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`remove`](Self::remove).
    #[doc(alias = "GEOPOS")]
    pub fn position(&self, member: impl Element<M>) -> Result<Option<Position>> {
        Ok(self.positions([member])?.pop().flatten())
    }

    /// Where several members are, in their order. `GEOPOS`, O(1) each.
    ///
    /// ```
    /// use larder::{Position, Store};
    ///
    /// let store = Store::new();
    /// let taxis = store.geo::<u32>("taxis");
    /// taxis.insert(7, Position::new(13.40, 52.52))?;
    /// let known: Vec<bool> = taxis.positions([7, 8])?.iter().map(Option::is_some).collect();
    /// assert_eq!(known, [true, false]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`remove`](Self::remove).
    #[doc(alias = "GEOPOS")]
    pub fn positions(
        &self,
        members: impl IntoIterator<Item = impl Element<M>>,
    ) -> Result<Vec<Option<Position>>> {
        let members = sought(members)?;
        self.handle.read(|view, key| geo::positions(view, key, &members))
    }

    /// How far two members are apart; `None` if one of them is not there. `GEODIST`, O(1).
    ///
    /// ```
    /// use larder::{Position, Store};
    ///
    /// let store = Store::new();
    /// let cities = store.geo::<String>("sicily");
    /// cities.insert("Palermo", Position::new(13.361389, 38.115556))?;
    /// cities.insert("Catania", Position::new(15.087269, 37.502669))?;
    /// let distance = cities.distance("Palermo", "Catania")?.expect("both are there");
    /// assert_eq!(distance.as_miles().round(), 103.0);
    /// assert_eq!(cities.distance("Palermo", "Rome")?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`remove`](Self::remove).
    #[doc(alias = "GEODIST")]
    pub fn distance(&self, from: impl Element<M>, to: impl Element<M>) -> Result<Option<Distance>> {
        let members = [from.into_value()?, to.into_value()?];
        let meters = self.handle.read(|view, key| geo::meters(view, key, &members))?;
        Ok(meters.map(Distance::from_meters))
    }

    /// Where a member is, as the eleven letters and digits that maps on the web understand; `None` if it is not
    /// there. Places whose geohashes begin alike are close. `GEOHASH`, O(1).
    ///
    /// ```
    /// use larder::{Position, Store};
    ///
    /// let store = Store::new();
    /// let cities = store.geo::<String>("sicily");
    /// cities.insert("Palermo", Position::new(13.361389, 38.115556))?;
    /// assert_eq!(cities.geohash("Palermo")?.as_deref(), Some("sqc8b49rny0"));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`remove`](Self::remove).
    #[doc(alias = "GEOHASH")]
    pub fn geohash(&self, member: impl Element<M>) -> Result<Option<String>> {
        let member = sought([member])?;
        Ok(self.handle.read(|view, key| geo::geohashes(view, key, &member))?.pop().flatten())
    }

    /// The members in an area around a position, the nearest first. `GEOSEARCH` with `FROMLONLAT` and `ASC`,
    /// `GEORADIUS`; O(log n + m log m) for m members in the area and close to it.
    ///
    /// ```
    /// use larder::{Area, Distance, Position, Store};
    ///
    /// let store = Store::new();
    /// let taxis = store.geo::<u32>("taxis");
    /// taxis.insert_many([(7, Position::new(13.40, 52.52)), (8, Position::new(9.99, 53.55))])?;
    /// let near = taxis.search(Position::new(13.39, 52.51), Area::radius(Distance::from_kilometers(5.0)))?;
    /// assert_eq!(near.len(), 1);
    /// assert_eq!(near[0].member, 7);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Geo`]; [`Error::Invalid`](crate::Error::Invalid) for a length below zero or NaN;
    /// [`Error::Decode`](crate::Error::Decode) for a member that is no `M`.
    #[doc(alias = "GEOSEARCH")]
    #[doc(alias = "GEORADIUS")]
    pub fn search(&self, center: Position, area: Area) -> Result<Vec<Place<M>>> {
        self.search_with(center, area, SearchOptions::new())
    }

    /// [`search`](Self::search) in another order, or for a few: see [`SearchOptions`]. `GEOSEARCH` with `ASC`,
    /// `DESC`, `COUNT` and `ANY`.
    ///
    /// ```
    /// use larder::{Area, Distance, Position, SearchOptions, Store};
    ///
    /// let store = Store::new();
    /// let taxis = store.geo::<u32>("taxis");
    /// taxis.insert_many([(7, Position::new(13.40, 52.52)), (8, Position::new(13.38, 52.51))])?;
    /// let area = Area::radius(Distance::from_kilometers(50.0));
    /// let nearest = taxis.search_with(Position::new(13.41, 52.52), area, SearchOptions::new().take(1))?;
    /// assert_eq!(nearest[0].member, 7);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`search`](Self::search).
    #[doc(alias = "GEOSEARCH")]
    pub fn search_with(&self, center: Position, area: Area, options: SearchOptions) -> Result<Vec<Place<M>>> {
        self.find(&query(Center::Position(center), area, options))
    }

    /// The members in an area around one of them, the nearest first: that is the member itself. `GEOSEARCH` with
    /// `FROMMEMBER` and `ASC`, `GEORADIUSBYMEMBER`; costs as [`search`](Self::search).
    ///
    /// ```
    /// use larder::{Area, Distance, Position, Store};
    ///
    /// let store = Store::new();
    /// let cities = store.geo::<String>("sicily");
    /// cities.insert("Palermo", Position::new(13.361389, 38.115556))?;
    /// cities.insert("Catania", Position::new(15.087269, 37.502669))?;
    /// let near = cities.search_from("Palermo", Area::radius(Distance::from_kilometers(170.0)))?;
    /// assert_eq!(near.iter().map(|place| &*place.member).collect::<Vec<_>>(), ["Palermo", "Catania"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`search`](Self::search); [`Error::NoSuchMember`](crate::Error::NoSuchMember) if the key is there,
    /// and the member is not.
    #[doc(alias = "GEOSEARCH")]
    #[doc(alias = "GEORADIUSBYMEMBER")]
    pub fn search_from(&self, member: impl Element<M>, area: Area) -> Result<Vec<Place<M>>> {
        self.search_from_with(member, area, SearchOptions::new())
    }

    /// [`search_from`](Self::search_from) in another order, or for a few: see [`SearchOptions`]. `GEOSEARCH` with
    /// `ASC`, `DESC`, `COUNT` and `ANY`.
    ///
    /// ```
    /// use larder::{Area, Distance, Position, SearchOptions, Store};
    ///
    /// let store = Store::new();
    /// let stops = store.geo::<u32>("stops");
    /// stops.insert_many([(7, Position::new(13.40, 52.52)), (8, Position::new(13.38, 52.51))])?;
    /// let area = Area::radius(Distance::from_kilometers(5.0));
    /// let options = SearchOptions::new().farthest_first();
    /// assert_eq!(stops.search_from_with(7, area, options)?[0].member, 8);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`search_from`](Self::search_from).
    #[doc(alias = "GEOSEARCH")]
    pub fn search_from_with(
        &self,
        member: impl Element<M>,
        area: Area,
        options: SearchOptions,
    ) -> Result<Vec<Place<M>>> {
        self.find(&query(Center::Member(member.into_value()?), area, options))
    }

    /// Makes `destination` the members in an area around a position, with their positions, whatever it held
    /// before and without a deadline; gives how many they are. None remove it. `GEOSEARCHSTORE`, costs as
    /// [`search`](Self::search).
    ///
    /// ```
    /// use larder::{Area, Distance, Position, Store};
    ///
    /// let store = Store::new();
    /// let taxis = store.geo::<u32>("taxis");
    /// taxis.insert(7, Position::new(13.40, 52.52))?;
    /// let area = Area::radius(Distance::from_kilometers(5.0));
    /// assert_eq!(taxis.search_into("near", Position::new(13.39, 52.51), area)?, 1);
    /// assert_eq!(store.geo::<u32>("near").position(7)?, taxis.position(7)?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`search`](Self::search); what the destination holds is no matter.
    #[doc(alias = "GEOSEARCHSTORE")]
    pub fn search_into<'k>(
        &self,
        destination: impl Into<Key<'k>>,
        center: Position,
        area: Area,
    ) -> Result<usize> {
        self.find_into(destination.into(), &query(Center::Position(center), area, SearchOptions::new()))
    }

    /// The same around a member. `GEOSEARCHSTORE` with `FROMMEMBER`, costs as [`search`](Self::search).
    ///
    /// ```
    /// use larder::{Area, Distance, Position, Store};
    ///
    /// let store = Store::new();
    /// let taxis = store.geo::<u32>("taxis");
    /// taxis.insert_many([(7, Position::new(13.40, 52.52)), (8, Position::new(13.38, 52.51))])?;
    /// let area = Area::radius(Distance::from_kilometers(5.0));
    /// assert_eq!(taxis.search_from_into("near 7", 7, area)?, 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`search_from`](Self::search_from); what the destination holds is no matter.
    #[doc(alias = "GEOSEARCHSTORE")]
    pub fn search_from_into<'k>(
        &self,
        destination: impl Into<Key<'k>>,
        member: impl Element<M>,
        area: Area,
    ) -> Result<usize> {
        let center = Center::Member(member.into_value()?);
        self.find_into(destination.into(), &query(center, area, SearchOptions::new()))
    }

    /// The members in a polygon of these vertices on the map, those nearest to its middle first; the distances are
    /// those from there. A side is a straight line of longitude and latitude, and the last vertex is joined to the
    /// first. Valkey's `GEOSEARCH` with `BYPOLYGON` and `ASC`; costs as [`search`](Self::search), times v for v
    /// vertices.
    ///
    /// ```
    /// use larder::{Position, Store};
    ///
    /// let store = Store::new();
    /// let cities = store.geo::<String>("cities");
    /// cities.insert("Palermo", Position::new(13.36, 38.12))?;
    /// cities.insert("Rome", Position::new(12.50, 41.90))?;
    /// let sicily = [(12.3, 38.3), (15.1, 36.6), (15.7, 38.4)].map(|(x, y)| Position::new(x, y));
    /// let found = cities.search_polygon(sicily)?;
    /// assert_eq!(found.iter().map(|place| &*place.member).collect::<Vec<_>>(), ["Palermo"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for fewer than three vertices; otherwise those of
    /// [`search`](Self::search).
    #[doc(alias = "GEOSEARCH")]
    #[doc(alias = "BYPOLYGON")]
    pub fn search_polygon(&self, vertices: impl IntoIterator<Item = Position>) -> Result<Vec<Place<M>>> {
        const TOO_FEW: Error = Error::Invalid("GEOSEARCH BYPOLYGON must have at least 3 vertices");
        let polygon = Polygon::new(vertices.into_iter().collect()).ok_or(TOO_FEW)?;
        let SearchOptions { order, limit } = SearchOptions::new();
        self.find(&Query { region: Region::Polygon(polygon), order, limit })
    }

    fn find(&self, query: &Query) -> Result<Vec<Place<M>>> {
        let found = self.handle.read(|view, key| geo::search(view, key, query))?;
        query.arrange(found).into_iter().map(place).collect()
    }

    fn find_into(&self, destination: Key<'_>, query: &Query) -> Result<usize> {
        let db = self.handle.db();
        let (key, destination) = (self.handle.key_ref(), db.key_ref(&destination));
        db.write(&[destination, key], |writer| {
            geo::search_into(writer, destination, key, query, Stored::Positions, KeyEvent::GeoSearchStore)
        })
    }
}

fn query(center: Center, Area(shape): Area, SearchOptions { order, limit }: SearchOptions) -> Query {
    Query { region: Region::Around(center, shape), order, limit }
}

fn place<M: Decode>(found: Found) -> Result<Place<M>> {
    let Found { member, position, meters, .. } = found;
    Ok(Place { member: decode(member)?, position, distance: Distance::from_meters(meters) })
}

public_handle!(Geo<'a, M>);
