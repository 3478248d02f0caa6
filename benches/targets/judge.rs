//! Target 10: verdicts on many results, beside a mere reading of the same JSON.

use std::time::Instant;

use parserd::core::quality::{Wanted, judge};
use serde_json::{Value, json};

use crate::{
    place::Process,
    table::{Row, quantile},
};

const RESULTS: usize = 10_000;

/// The program's name for the verdicts as a process of its own.
pub const JUDGE: &str = "judge-results";

pub fn run() -> Vec<Row> {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.arg(JUDGE);
    let peak = Process::start(command).wait();
    let (mut judging, mut reading) = (Vec::new(), Vec::new());
    let result = result(0);
    for _ in 0..3 {
        judging.push(seconds(|| judge_all(std::iter::repeat_n(&result, RESULTS))));
        reading.push(seconds(|| read_all(std::iter::repeat_n(&result, RESULTS))));
    }
    let (judging, reading) = (quantile(&mut judging, 0.5), quantile(&mut reading, 0.5));
    let kilobytes = result.len() as f64 / 1e3;
    vec![
        Row::at_most_times(
            "10",
            &format!("{RESULTS} results of {kilobytes:.0} KB judged"),
            judging,
            (3.0, reading, "the same JSON read"),
            "s",
        ),
        Row::at_most("10", "... in time", judging, 5.0, "s"),
        Row::at_most("10", "... resident peak", peak as f64 / 1e6, 64.0, "MB"),
    ]
}

/// The process that is measured for its memory.
pub fn run_all() {
    let results = (0..RESULTS).map(result);
    results.for_each(|result| judge_all(std::iter::once(&result)));
}

fn seconds(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64()
}

fn judge_all<'r>(results: impl Iterator<Item = &'r String>) {
    let fields = json!([
        {"name": "products", "description": "d", "type": "array"},
        {"name": "products.name", "description": "d", "type": "string"},
        {"name": "products.price", "description": "d", "type": "number"},
        {"name": "products.stock", "description": "d"},
    ]);
    let wanted = Wanted::new(Some(&fields), None);
    for result in results {
        let judged = judge(Some(result), &[], &wanted, 0.5);
        assert_eq!(judged.pages, 2);
    }
}

fn read_all<'r>(results: impl Iterator<Item = &'r String>) {
    for result in results {
        let value: Value = serde_json::from_str(result).unwrap();
        assert!(value.is_array());
    }
}

/// Two pages with some 35 products each, 10 KB in all.
fn result(n: usize) -> String {
    let product = |row: usize| {
        json!({
            "name": format!("Product {n} {row}, in stock and ready to ship"),
            "price": format!("${}.{:02}", row * 37 % 900, row % 100),
            "url": format!("https://shop.example.com/products/{row}"),
            "stock": row,
        })
    };
    let page = |page: usize| {
        let products: Vec<Value> = (0..35).map(product).collect();
        json!({"url": format!("https://shop.example.com/{page}"), "result": {"products": products}})
    };
    json!([page(1), page(2)]).to_string()
}
