//! Tests: whether the colours of `style.css` can be told apart from what they stand on, by the
//! rules of WCAG 2.2 (1.4.3 and 1.4.11), in both schemes.

use std::collections::BTreeMap;

const STYLE: &str = include_str!("../assets/style.css");

/// The least contrast of text, and of shapes that mean something.
const OF_TEXT: f64 = 4.5;
const OF_SHAPES: f64 = 3.0;

/// The colours of the light scheme, or those that the dark one has in their place.
fn colours(is_dark: bool) -> BTreeMap<&'static str, [f64; 3]> {
    let mut found = BTreeMap::new();
    let mut in_dark = false;
    for line in STYLE.lines() {
        if line.starts_with("@media") {
            in_dark = line.contains("prefers-color-scheme: dark");
        } else if line.starts_with('}') && in_dark {
            in_dark = false;
        }
        if in_dark && !is_dark {
            continue;
        }
        for declaration in line.split([';', '{']) {
            let Some((name, value)) = declaration.split_once(':') else {
                continue;
            };
            if let (Some(name), Some(hex)) = (
                name.trim().strip_prefix("--"),
                value.trim().strip_prefix('#'),
            ) {
                found.insert(name, colour(hex));
            }
        }
    }
    found
}

/// The parts of a colour, from 0 to 1.
fn colour(hex: &str) -> [f64; 3] {
    let digit = |at: usize| f64::from(u8::from_str_radix(&hex[at..=at], 16).unwrap());
    match hex.len() {
        3 => [0, 1, 2].map(|part| digit(part) * 17.0 / 255.0),
        6 => [0, 2, 4].map(|part| (digit(part) * 16.0 + digit(part + 1)) / 255.0),
        _ => panic!("#{hex}"),
    }
}

fn luminance(colour: [f64; 3]) -> f64 {
    let linear = colour.map(|part| {
        if part <= 0.04045 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn black_on_white_is_as_far_apart_as_can_be() {
    assert!((contrast(colour("000"), colour("ffffff")) - 21.0).abs() < 0.001);
    assert!((contrast(colour("777777"), colour("fff")) - 4.478).abs() < 0.001);
}

#[test]
fn every_colour_can_be_told_from_what_it_stands_on_in_both_schemes() {
    let (light, dark) = (colours(false), colours(true));
    assert_eq!(
        light.keys().collect::<Vec<_>>(),
        dark.keys().collect::<Vec<_>>()
    );
    assert_ne!(light["card"], dark["card"]);
    let texts = ["ink", "dim", "link", "good", "bad", "wait", "busy"];
    let shapes = [
        "good", "bad", "gone", "busy", "making", "wait", "rest", "ink",
    ];
    for (scheme, colours) in [("light", &light), ("dark", &dark)] {
        let is_enough = |front: &str, back: &str, least: f64| {
            let found = contrast(colours[front], colours[back]);
            assert!(found >= least, "{scheme}: {front} on {back} is {found:.2}");
        };
        for back in ["card", "ground"] {
            for front in texts {
                is_enough(front, back, OF_TEXT);
            }
            for front in shapes {
                is_enough(front, back, OF_SHAPES);
            }
        }
        for front in ["ink", "link"] {
            is_enough(front, "alert", OF_TEXT);
        }
        // The words on a filled button.
        is_enough("card", "link", OF_TEXT);
    }
}
