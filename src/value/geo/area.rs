//! Areas around a position, and the cells in which to look for what lies in them.

use smallvec::SmallVec;

use super::cell::{Edges, STEPS};
use super::{Cell, EARTH, Position, degrees, meters_north, radians};

/// The half of the map's width in meters, from which on one step is enough.
const MAP: f64 = 20_037_726.37;

/// What an area around a position looks like, in meters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Shape {
    Circle { radius: f64 },
    Rectangle { width: f64, height: f64 },
}

impl Shape {
    /// Whether the lengths are numbers from zero up.
    pub(crate) fn is_valid(self) -> bool {
        let (width, height) = self.half();
        width >= 0.0 && height >= 0.0
    }

    /// How far a position is from the center, if it lies in the area.
    pub(crate) fn meters_within(self, center: Position, position: Position) -> Option<f64> {
        match self {
            Shape::Circle { radius } => Some(center.meters_to(position)).filter(|meters| *meters <= radius),
            Shape::Rectangle { width, height } => {
                if meters_north(position.latitude, center.latitude) > height / 2.0 {
                    return None;
                }
                // East or west along the position's own circle of latitude.
                let beside = Position { latitude: position.latitude, ..center };
                (position.meters_to(beside) <= width / 2.0).then(|| center.meters_to(position))
            }
        }
    }

    /// The cells that cover the area. O(1)
    pub(crate) fn cells(self, center: Position) -> SmallVec<[Cell; 9]> {
        let (width, height) = self.half();
        let reach = match self {
            Shape::Circle { radius } => radius,
            Shape::Rectangle { .. } => (width * width + height * height).sqrt(),
        };
        covering(center, reach, self.bounds(center))
    }

    /// Half of the width and of the height.
    fn half(self) -> (f64, f64) {
        match self {
            Shape::Circle { radius } => (radius, radius),
            Shape::Rectangle { width, height } => (width / 2.0, height / 2.0),
        }
    }

    /// The degrees within which the area lies.
    fn bounds(self, center: Position) -> Edges {
        let (width, height) = self.half();
        let north = degrees(height / EARTH);
        let east_at = |latitude: f64| degrees(width / EARTH / radians(latitude).cos());
        // The side that is nearer to the pole is the wider one.
        let wider = if center.latitude < 0.0 { center.latitude - north } else { center.latitude + north };
        let east = east_at(wider);
        Edges {
            west: center.longitude - east,
            east: center.longitude + east,
            south: center.latitude - north,
            north: center.latitude + north,
        }
    }
}

/// The cells that cover what lies within bounds and so many meters from a center: that of the center and those around
/// it, as far as they are needed, in the order in which Redis looks through them. O(1)
pub(super) fn covering(center: Position, reach: f64, bounds: Edges) -> SmallVec<[Cell; 9]> {
    const AROUND: [(i32, i32); 9] =
        [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
    let mut steps = steps(reach, center.latitude);
    let mut cell = Cell::of(center, steps);
    if steps > 1 && !covers(cell, bounds) {
        steps -= 1;
        cell = Cell::of(center, steps);
    }
    let edges = cell.edges();
    // Of the neighbours, those on a side to which the area does not reach.
    let is_needed = |(east, north): (i32, i32)| {
        steps < 2
            || !(north < 0 && edges.south < bounds.south
                || north > 0 && edges.north > bounds.north
                || east < 0 && edges.west < bounds.west
                || east > 0 && edges.east > bounds.east)
    };
    let mut cells = SmallVec::new();
    for around in AROUND.into_iter().filter(|around| is_needed(*around)) {
        let cell = cell.moved(around.0, around.1);
        // On a map of few cells, a neighbour on one side is that on the other too.
        if !cells.contains(&cell) {
            cells.push(cell);
        }
    }
    cells
}

/// After how many steps cells are small, and yet those around the center's cover the area.
fn steps(mut reach: f64, latitude: f64) -> u32 {
    if reach == 0.0 {
        return STEPS;
    }
    let mut steps = -1_i32;
    while reach < MAP {
        reach *= 2.0;
        steps += 1;
    }
    // Towards the poles, cells are narrower than they look.
    steps -= i32::from(latitude.abs() > 66.0) + i32::from(latitude.abs() > 80.0);
    steps.clamp(1, STEPS as i32).unsigned_abs()
}

/// Whether a cell and those around it reach as far as the bounds.
fn covers(cell: Cell, bounds: Edges) -> bool {
    cell.moved(0, 1).edges().north >= bounds.north
        && cell.moved(0, -1).edges().south <= bounds.south
        && cell.moved(1, 0).edges().east >= bounds.east
        && cell.moved(-1, 0).edges().west <= bounds.west
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position(latitude: f64) -> impl Strategy<Value = Position> {
        (-180.0..180.0_f64, -latitude..latitude)
            .prop_map(|(longitude, latitude)| Position { longitude, latitude })
    }

    fn shape() -> impl Strategy<Value = Shape> {
        let meters = || (0.0..6.3_f64).prop_map(|power| 10_f64.powf(power));
        prop_oneof![
            meters().prop_map(|radius| Shape::Circle { radius }),
            (meters(), meters()).prop_map(|(width, height)| Shape::Rectangle { width, height }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn what_lies_in_an_area_lies_in_its_cells(
            center in position(60.0), shape in shape(), (east, north) in (-1.2..1.2_f64, -1.2..1.2_f64),
        ) {
            let (width, height) = shape.half();
            let latitude = center.latitude + degrees(north * height / EARTH);
            let longitude = center.longitude + degrees(east * width / EARTH / radians(latitude).cos());
            // Redis does not look across the 180th meridian from every cell; see the bounds.
            prop_assume!(Position { longitude, latitude }.is_valid());
            let cell = Cell::of_position(Position { longitude, latitude });
            if shape.meters_within(center, cell.center()).is_some() {
                let covered = shape.cells(center).into_iter().any(|part| {
                    let (least, end) = part.scores();
                    least <= cell.score() && cell.score() < end
                });
                prop_assert!(covered, "{longitude} {latitude}");
            }
        }
    }

    #[test]
    fn a_small_area_needs_few_cells_and_a_large_one_all() {
        let center = Position { longitude: 13.0, latitude: 38.0 };
        assert!(Shape::Circle { radius: 100.0 }.cells(center).len() <= 4);
        assert_eq!(Shape::Circle { radius: 2e7 }.cells(center).len(), 4);
    }
}
