//! A library of Rust in several versions: `--cfg change="…"` says what is different.
pub enum Kind {
    Empty,
    #[cfg(change = "variant")]
    Line(u32),
    Circle(u32),
    Square { side: i64 },
}

pub struct Shape {
    pub kind: Kind,
    pub layer: u16,
    #[cfg(change = "field")]
    pub name: String,
}

#[inline(never)]
pub fn area(shape: &Shape) -> i64 {
    match &shape.kind {
        Kind::Empty => 0,
        #[cfg(change = "variant")]
        Kind::Line(_) => 0,
        Kind::Circle(radius) => 3 * i64::from(*radius) * i64::from(*radius),
        Kind::Square { side } => side * side + i64::from(shape.layer),
    }
}

#[cfg(change = "more")]
pub fn more() {}
