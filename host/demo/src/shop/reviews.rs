//! Reviews in people's words.

use shopwright_model::{Millis, reviews};

use super::{
    catalogue::{Axis, Product, Variant},
    history::{Fate, Sale},
    people::Person,
};
use crate::{
    calendar::{DAY, HOUR},
    dice::Dice,
};

const GREAT_TITLES: [&str; 14] = [
    "Exactly what I wanted",
    "Would buy again",
    "Love it",
    "Better than expected",
    "A keeper",
    "My new favourite",
    "Worth every penny",
    "Five stars",
    "Simply good",
    "Very happy",
    "Well made",
    "Great quality",
    "Bought a second one",
    "No complaints",
];
const FAIR_TITLES: [&str; 8] = [
    "Good, with a small but",
    "Decent",
    "Nearly perfect",
    "Good value",
    "Fine",
    "Solid",
    "Does the job",
    "Almost five stars",
];
const POOR_TITLES: [&str; 10] = [
    "Disappointed",
    "Not for me",
    "Expected more",
    "Sent it back",
    "Not as described",
    "Too expensive for this",
    "Meh",
    "Broke too soon",
    "Sadly no",
    "Hm",
];
const GREAT: [&str; 14] = [
    "I was sceptical at first, but it {praise}.",
    "It {praise}. I use it nearly every day.",
    "Bought it for a week in the hills and it {praise}.",
    "My sister has one and told me it {praise}. She is right.",
    "After three months I can say: it {praise}.",
    "What can I say, it {praise}. Delivery was quick too.",
    "You pay a bit more, but it {praise}.",
    "Honestly one of the best things I bought this year. It {praise}.",
    "It {praise}, and the colour is lovely in real life.",
    "Second one I own. It {praise}.",
    "Gave it to my father and he says it {praise}.",
    "It {praise}. The parcel came without any plastic, which I liked.",
    "I had it out in all kinds of weather. It {praise}.",
    "Small thing, but it {praise}. That is why I keep coming back to this shop.",
];
const FAIR: [&str; 9] = [
    "It {praise}, but {flaw}.",
    "Good overall. It {praise}. One star off because {flaw}.",
    "I like it: it {praise}. A pity that {flaw}.",
    "For the price it is fine. {Flaw}, otherwise it {praise}.",
    "It {praise}. Would be perfect, only {flaw}.",
    "Does what it should. {Flaw}.",
    "Looks nice and it {praise}. Still, {flaw}.",
    "Mostly happy. {Flaw}, but customer service was helpful.",
    "Not bad at all. {Flaw}.",
];
const POOR: [&str; 9] = [
    "I wanted to like it, but {flaw}.",
    "{Flaw}. Going back.",
    "Maybe I had a bad one, but {flaw}.",
    "After two weeks {flaw}. For this money I expect more.",
    "{Flaw} and nobody could tell me why.",
    "The pictures promise a lot. In reality {flaw}.",
    "Third order here and the first I regret: {flaw}.",
    "It may be that it {praise}, but {flaw}.",
    "No. {Flaw}.",
];
const FLAWS: [&str; 9] = [
    "the stitching came loose at one end",
    "the colour is darker than in the pictures",
    "it took nine days to arrive",
    "it smells odd out of the box",
    "the instructions are useless",
    "it feels thinner than I expected",
    "there was a scratch on it",
    "the zip catches now and then",
    "it was missing a part at first",
];
const SIZE_FLAWS: [&str; 4] = [
    "it runs small, take one size up",
    "the sleeves are too long for me",
    "it runs wide",
    "the size chart is wrong by a whole size",
];
const SIZE_NOTES: [&str; 5] = [
    " True to size.",
    " I usually wear {size} and {size} fits.",
    " Runs a little small, I took {size}.",
    " I am between sizes and {size} was right.",
    " Order your normal size.",
];

/// Reviews of what was delivered, oldest first. About one order in fourteen gets one.
#[must_use]
pub fn write(
    seed: u64,
    sales: &[Sale],
    people: &[Person],
    products: &[Product],
    variants: &[Variant],
    start: Millis,
) -> Vec<reviews::Review> {
    let mut dice = Dice::new(seed, "reviews");
    let mut all = Vec::new();
    for sale in sales {
        let (Fate::Delivered(_, delivered) | Fate::Returned(_, delivered)) = sale.fate else { continue };
        let person = &people[sale.person as usize];
        if !dice.chance(0.045 + 0.07 * person.rhythm.social_proof) {
            continue;
        }
        let at = delivered + dice.between(DAY, 24 * DAY) + dice.between(0, 12) * HOUR;
        if at >= start {
            continue;
        }
        let line = dice.pick(&sale.lines);
        let variant = &variants[line.variant as usize];
        let returned = matches!(sale.fate, Fate::Returned(..));
        all.push((at, review(person, &products[variant.product], variant, returned, at, &mut dice)));
    }
    all.sort_by_key(|(at, _)| *at);
    all.into_iter()
        .enumerate()
        .map(|(n, (_, review))| reviews::Review { id: format!("{}", super::REVIEW_IDS + n as u64), ..review })
        .collect()
}

/// A review without its id.
pub fn review(
    person: &Person,
    product: &Product,
    variant: &Variant,
    returned: bool,
    at: Millis,
    dice: &mut Dice,
) -> reviews::Review {
    let mood = product.quality + 0.95 * dice.normal() - if returned { 1.6 } else { 0.0 };
    let rating = mood.round().clamp(1.0, 5.0) as u32;
    let sized = matches!(product.family().axis, Axis::Sizes | Axis::Shoes);
    let praise = *dice.pick(product.family().praise);
    let flaws = if sized && dice.chance(0.45) { &SIZE_FLAWS[..] } else { &FLAWS[..] };
    let flaw = *dice.pick(flaws);
    let (titles, texts): (&[&str], &[&str]) = match rating {
        4.. => (&GREAT_TITLES, &GREAT),
        3 => (&FAIR_TITLES, &FAIR),
        _ => (&POOR_TITLES, &POOR),
    };
    let (titles, texts) = if rating == 4 && dice.chance(0.5) { (&FAIR_TITLES[..], &FAIR[..]) } else { (titles, texts) };
    let mut text =
        dice.pick(texts).replace("{praise}", praise).replace("{flaw}", flaw).replace("{Flaw}", &capital(flaw));
    if sized && rating >= 3 && dice.chance(0.4) {
        text.push_str(&dice.pick(&SIZE_NOTES).replace("{size}", &variant.option));
    }
    let title = if dice.chance(0.85) { (*dice.pick(titles)).to_owned() } else { String::new() };
    reviews::Review {
        id: String::new(),
        product: product.id.to_string(),
        customer: Some(person.id.to_string()),
        author: format!("{} {}.", person.first, person.last.chars().next().unwrap_or('X')),
        rating,
        title,
        text,
        at: at as u64,
        extra: format!(r#"{{"verified_purchase":true,"variant":"{}"}}"#, variant.id),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
