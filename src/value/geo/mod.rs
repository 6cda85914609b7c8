//! Positions on the earth, as a sorted set keeps them: a position is a score, and what lies close together has
//! scores that do.

mod area;
mod cell;
mod polygon;

pub(crate) use area::Shape;
pub(crate) use cell::Cell;
pub(crate) use polygon::Polygon;

/// The earth's radius in meters, as Redis has it: the earth is taken for a ball.
const EARTH: f64 = 6_372_797.560856;

/// The degrees that have a place in a score.
const LONGITUDE: f64 = 180.0;
const LATITUDE: f64 = 85.051_128_78;

/// A place on the earth, in degrees: east of Greenwich and north of the equator are above zero.
///
/// A [`Geo`](crate::Geo) keeps longitudes up to 180 and latitudes up to 85.05112878 degrees either way, to
/// within 0.6 meters at the equator.
///
/// ```
/// use larder::Position;
///
/// let palermo = Position::new(13.361389, 38.115556);
/// let catania = Position::new(15.087269, 37.502669);
/// assert_eq!(palermo.distance(catania).as_kilometers().round(), 166.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Position {
    /// Degrees east of Greenwich.
    pub longitude: f64,
    /// Degrees north of the equator.
    pub latitude: f64,
}

impl Position {
    /// The position of this longitude and latitude, in degrees, in the order in which Redis has them. O(1)
    ///
    /// ```
    /// use larder::Position;
    ///
    /// let greenwich = Position::new(0.0, 51.48);
    /// assert_eq!(greenwich.latitude, 51.48);
    /// ```
    pub const fn new(longitude: f64, latitude: f64) -> Self {
        Position { longitude, latitude }
    }

    /// How far it is to another one, over the ground. `GEODIST`, O(1).
    ///
    /// ```
    /// use larder::Position;
    ///
    /// let quarter = Position::new(0.0, 0.0).distance(Position::new(90.0, 0.0));
    /// assert_eq!(quarter.as_kilometers().round(), 10_010.0);
    /// ```
    #[doc(alias = "GEODIST")]
    pub fn distance(self, other: Position) -> Distance {
        Distance(self.meters_to(other))
    }

    /// By the haversine formula.
    pub(crate) fn meters_to(self, other: Position) -> f64 {
        let half = |degrees: f64, other: f64| ((radians(other) - radians(degrees)) / 2.0).sin();
        let v = half(self.longitude, other.longitude);
        if v == 0.0 {
            return meters_north(self.latitude, other.latitude);
        }
        let u = half(self.latitude, other.latitude);
        let a = u * u + radians(self.latitude).cos() * radians(other.latitude).cos() * v * v;
        // Rounding may bring two ends of the earth further apart than they can be.
        2.0 * EARTH * a.sqrt().min(1.0).asin()
    }

    /// The nearest one that can be stored, as far as degrees go.
    fn clamped(self) -> Self {
        Position {
            longitude: self.longitude.clamp(-LONGITUDE, LONGITUDE),
            latitude: self.latitude.clamp(-LATITUDE, LATITUDE),
        }
    }

    /// Whether it can be stored.
    pub(crate) fn is_valid(self) -> bool {
        self.longitude.abs() <= LONGITUDE && self.latitude.abs() <= LATITUDE
    }
}

/// How far something is.
///
/// ```
/// use larder::Distance;
///
/// let marathon = Distance::from_miles(26.2);
/// assert_eq!(marathon.as_kilometers().round(), 42.0);
/// assert!(marathon > Distance::from_kilometers(42.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Distance(f64);

impl Distance {
    const KILOMETER: f64 = 1000.0;
    const MILE: f64 = 1609.34;
    const FOOT: f64 = 0.3048;

    /// So many meters. O(1)
    ///
    /// ```
    /// assert_eq!(larder::Distance::from_meters(500.0).as_kilometers(), 0.5);
    /// ```
    pub const fn from_meters(meters: f64) -> Self {
        Distance(meters)
    }

    /// So many kilometers. O(1)
    ///
    /// ```
    /// assert_eq!(larder::Distance::from_kilometers(2.0).as_meters(), 2000.0);
    /// ```
    pub const fn from_kilometers(kilometers: f64) -> Self {
        Distance(kilometers * Self::KILOMETER)
    }

    /// So many miles, of 1609.34 meters as in Redis. O(1)
    ///
    /// ```
    /// assert_eq!(larder::Distance::from_miles(2.0).as_meters(), 3218.68);
    /// ```
    pub const fn from_miles(miles: f64) -> Self {
        Distance(miles * Self::MILE)
    }

    /// So many feet, of 0.3048 meters. O(1)
    ///
    /// ```
    /// assert_eq!(larder::Distance::from_feet(1000.0).as_meters(), 304.8);
    /// ```
    pub const fn from_feet(feet: f64) -> Self {
        Distance(feet * Self::FOOT)
    }

    /// In meters. O(1)
    ///
    /// ```
    /// assert_eq!(larder::Distance::from_kilometers(1.5).as_meters(), 1500.0);
    /// ```
    pub const fn as_meters(self) -> f64 {
        self.0
    }

    /// In kilometers. O(1)
    ///
    /// ```
    /// assert_eq!(larder::Distance::from_meters(1500.0).as_kilometers(), 1.5);
    /// ```
    pub const fn as_kilometers(self) -> f64 {
        self.0 / Self::KILOMETER
    }

    /// In miles of 1609.34 meters. O(1)
    ///
    /// ```
    /// assert_eq!(larder::Distance::from_meters(1609.34).as_miles(), 1.0);
    /// ```
    pub const fn as_miles(self) -> f64 {
        self.0 / Self::MILE
    }

    /// In feet of 0.3048 meters. O(1)
    ///
    /// ```
    /// assert_eq!(larder::Distance::from_meters(304.8).as_feet(), 1000.0);
    /// ```
    pub const fn as_feet(self) -> f64 {
        self.0 / Self::FOOT
    }
}

/// How far apart two latitudes are.
fn meters_north(latitude: f64, other: f64) -> f64 {
    EARTH * (radians(other) - radians(latitude)).abs()
}

/// As a product with a constant: `f64::to_radians` may round otherwise.
fn radians(degrees: f64) -> f64 {
    degrees * (std::f64::consts::PI / 180.0)
}

fn degrees(radians: f64) -> f64 {
    radians / (std::f64::consts::PI / 180.0)
}
