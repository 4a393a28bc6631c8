extern crate shapes;
use shapes::{area, Kind, Shape};

fn main() {
    let mut sum = 0;
    for kind in [Kind::Empty, Kind::Circle(2), Kind::Square { side: 5 }] {
        let shape = Shape { kind, layer: 5 };
        sum += area(&shape);
    }
    println!("{sum}");
}
