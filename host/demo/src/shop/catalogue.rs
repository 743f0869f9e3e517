//! What the shop sells: products with variants, costs and seasons.

use crate::dice::Dice;

/// A family of products: what its members have in common.
#[derive(Debug)]
pub struct Family {
    /// Path in the shop's category tree.
    pub category: &'static str,
    /// What the things are called.
    pub nouns: &'static [&'static str],
    /// What they are made of or made for: the second half of a title.
    pub traits: &'static [&'static str],
    /// Lowest and highest price, in cents.
    pub price: (f64, f64),
    /// Lowest and highest gross margin.
    pub margin: (f64, f64),
    /// How its variants differ.
    pub axis: Axis,
    /// Demand by month, 1 on average.
    pub season: [f64; 12],
    /// Weight in grams.
    pub grams: i64,
    /// How many of a hundred products are of this family.
    pub share: f64,
    /// Share of orders that come back.
    pub returns: f64,
    /// Sentences for descriptions and reviews.
    pub praise: &'static [&'static str],
}

/// How the variants of a product differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// S to XL.
    Sizes,
    /// European shoe sizes.
    Shoes,
    /// Two to four colours.
    Colours,
    /// Ages.
    Ages,
    /// There is one.
    One,
}

const WINTER: [f64; 12] = [1.6, 1.2, 0.8, 0.5, 0.4, 0.3, 0.3, 0.5, 1.0, 1.6, 2.0, 1.8];
const SUMMER: [f64; 12] = [0.3, 0.4, 0.8, 1.4, 1.9, 2.0, 1.8, 1.4, 0.8, 0.5, 0.4, 0.3];
const SPRING: [f64; 12] = [0.4, 0.7, 1.6, 2.2, 1.9, 1.2, 0.8, 0.7, 0.9, 0.7, 0.5, 0.4];
const GIFTS: [f64; 12] = [0.7, 0.8, 0.8, 0.8, 0.9, 0.8, 0.7, 0.7, 0.8, 1.0, 1.7, 2.3];
const EVEN: [f64; 12] = [0.9, 0.9, 1.0, 1.1, 1.1, 1.0, 0.9, 0.9, 1.1, 1.1, 1.0, 1.0];

/// Every family.
pub static FAMILIES: [Family; 16] = [
    Family {
        category: "clothing/jackets",
        nouns: &["Rain Jacket", "Down Jacket", "Softshell", "Parka", "Wind Shell", "Field Coat"],
        traits: &["light", "three-layer", "packable", "for cold mornings", "waxed"],
        price: (7900.0, 32900.0),
        margin: (0.46, 0.62),
        axis: Axis::Sizes,
        season: WINTER,
        grams: 650,
        share: 9.0,
        returns: 0.14,
        praise: &[
            "keeps the wind out",
            "sheds rain for hours",
            "has pockets in the right places",
            "packs down to the size of a loaf",
        ],
    },
    Family {
        category: "clothing/knitwear",
        nouns: &["Wool Jumper", "Cardigan", "Roll-Neck", "Knit Vest", "Fisherman Jumper"],
        traits: &["merino", "lambswool", "ribbed", "undyed", "heavy gauge"],
        price: (5900.0, 17900.0),
        margin: (0.52, 0.66),
        axis: Axis::Sizes,
        season: WINTER,
        grams: 480,
        share: 8.0,
        returns: 0.13,
        praise: &["does not itch", "holds its shape after washing", "is warm without being bulky", "has a tidy collar"],
    },
    Family {
        category: "clothing/trousers",
        nouns: &["Trekking Trousers", "Canvas Trousers", "Corduroys", "Shorts", "Climbing Trousers"],
        traits: &["stretch", "double-knee", "zip-off", "straight cut", "quick-dry"],
        price: (4900.0, 14900.0),
        margin: (0.5, 0.64),
        axis: Axis::Sizes,
        season: EVEN,
        grams: 420,
        share: 7.0,
        returns: 0.17,
        praise: &["moves with you", "dries on the way home", "survives brambles", "sits well with a belt"],
    },
    Family {
        category: "clothing/shirts",
        nouns: &["Flannel Shirt", "Linen Shirt", "T-Shirt", "Base Layer", "Overshirt"],
        traits: &["organic cotton", "merino blend", "brushed", "relaxed", "garment-dyed"],
        price: (2490.0, 8900.0),
        margin: (0.55, 0.7),
        axis: Axis::Sizes,
        season: EVEN,
        grams: 240,
        share: 9.0,
        returns: 0.11,
        praise: &[
            "feels soft from day one",
            "does not smell after a day's walk",
            "keeps its colour",
            "is easy to iron",
        ],
    },
    Family {
        category: "shoes/hiking",
        nouns: &["Hiking Boots", "Approach Shoes", "Trail Shoes", "Trekking Boots"],
        traits: &["mid-cut", "waterproof", "leather", "resoleable", "wide fit"],
        price: (9900.0, 26900.0),
        margin: (0.42, 0.56),
        axis: Axis::Shoes,
        season: SPRING,
        grams: 1100,
        share: 6.0,
        returns: 0.21,
        praise: &["needs no breaking in", "grips on wet rock", "keeps feet dry in bogs", "gives the ankle support"],
    },
    Family {
        category: "shoes/everyday",
        nouns: &["Chelsea Boots", "Sneakers", "Clogs", "Slippers", "Deck Shoes"],
        traits: &["suede", "felted wool", "natural rubber", "canvas", "hand-stitched"],
        price: (4900.0, 17900.0),
        margin: (0.5, 0.62),
        axis: Axis::Shoes,
        season: EVEN,
        grams: 800,
        share: 6.0,
        returns: 0.2,
        praise: &[
            "is comfortable all day",
            "looks better with wear",
            "is quick to slip on",
            "has a footbed that can be replaced",
        ],
    },
    Family {
        category: "accessories/bags",
        nouns: &["Day Pack", "Roll-Top Backpack", "Tote", "Hip Bag", "Duffel"],
        traits: &["18 l", "24 l", "waxed canvas", "recycled nylon", "waterproof"],
        price: (3900.0, 18900.0),
        margin: (0.5, 0.65),
        axis: Axis::Colours,
        season: EVEN,
        grams: 700,
        share: 7.0,
        returns: 0.06,
        praise: &[
            "carries more than it looks",
            "has straps that stay put",
            "fits a laptop and lunch",
            "has zips that run smoothly",
        ],
    },
    Family {
        category: "accessories/hats-gloves",
        nouns: &["Beanie", "Gloves", "Scarf", "Sun Hat", "Wool Socks", "Mittens"],
        traits: &["merino", "fleece-lined", "touchscreen", "chunky", "three-pack"],
        price: (1490.0, 5900.0),
        margin: (0.58, 0.72),
        axis: Axis::Colours,
        season: WINTER,
        grams: 90,
        share: 8.0,
        returns: 0.04,
        praise: &["is warm when wet", "stays on in a gale", "washes well", "makes a good present"],
    },
    Family {
        category: "camping/sleeping",
        nouns: &["Two-Person Tent", "Sleeping Bag", "Sleeping Mat", "Tarp", "Hammock"],
        traits: &["ultralight", "three-season", "down", "self-inflating", "with mosquito net"],
        price: (4900.0, 44900.0),
        margin: (0.38, 0.52),
        axis: Axis::Colours,
        season: SUMMER,
        grams: 1600,
        share: 6.0,
        returns: 0.07,
        praise: &["is up in five minutes", "kept us dry through a storm", "packs small", "is warm down to freezing"],
    },
    Family {
        category: "camping/cooking",
        nouns: &["Gas Stove", "Pot Set", "Enamel Mug", "Vacuum Flask", "Spork Set", "Water Filter"],
        traits: &["titanium", "1 l", "folding", "two-person", "steel"],
        price: (990.0, 9900.0),
        margin: (0.4, 0.58),
        axis: Axis::One,
        season: SUMMER,
        grams: 350,
        share: 8.0,
        returns: 0.03,
        praise: &[
            "boils in three minutes",
            "keeps tea hot until evening",
            "weighs next to nothing",
            "is easy to clean",
        ],
    },
    Family {
        category: "home/blankets",
        nouns: &["Wool Blanket", "Quilt", "Cushion", "Sheepskin", "Bedspread"],
        traits: &["herringbone", "recycled wool", "checked", "hand-woven", "130 x 180 cm"],
        price: (2900.0, 22900.0),
        margin: (0.52, 0.66),
        axis: Axis::Colours,
        season: WINTER,
        grams: 1200,
        share: 6.0,
        returns: 0.05,
        praise: &[
            "is heavier than expected, in a good way",
            "looks lovely on the sofa",
            "smells faintly of wool, which goes away",
            "is warm at once",
        ],
    },
    Family {
        category: "home/kitchen",
        nouns: &["Cast-Iron Pan", "Chopping Board", "Paring Knife", "Stoneware Bowl", "Linen Tea Towel", "Bread Tin"],
        traits: &["26 cm", "oak", "carbon steel", "speckled", "set of two"],
        price: (1290.0, 12900.0),
        margin: (0.45, 0.62),
        axis: Axis::One,
        season: GIFTS,
        grams: 900,
        share: 7.0,
        returns: 0.03,
        praise: &["gets better with use", "feels solid in the hand", "sits flat on the hob", "takes an edge easily"],
    },
    Family {
        category: "home/lighting",
        nouns: &["Storm Lantern", "Reading Lamp", "Camp Light", "Beeswax Candles", "Head Torch"],
        traits: &["rechargeable", "brass", "dimmable", "set of four", "with hook"],
        price: (1490.0, 14900.0),
        margin: (0.44, 0.6),
        axis: Axis::One,
        season: GIFTS,
        grams: 500,
        share: 5.0,
        returns: 0.05,
        praise: &[
            "gives a warm light",
            "runs for two nights on a charge",
            "has a switch you find in the dark",
            "is bright enough to read by",
        ],
    },
    Family {
        category: "garden/tools",
        nouns: &["Hand Trowel", "Pruning Shears", "Watering Can", "Garden Fork", "Seed Box", "Gardening Gloves"],
        traits: &["ash handle", "forged", "zinc", "left-handed", "small"],
        price: (990.0, 7900.0),
        margin: (0.42, 0.6),
        axis: Axis::One,
        season: SPRING,
        grams: 600,
        share: 5.0,
        returns: 0.02,
        praise: &["cuts cleanly", "will outlast me", "does not drip", "fits small hands"],
    },
    Family {
        category: "kids/clothing",
        nouns: &["Kids' Rain Suit", "Kids' Wool Jumper", "Kids' Hat", "Mud Trousers", "Kids' Fleece"],
        traits: &["with reflectors", "grows along", "lined", "striped", "easy zip"],
        price: (1990.0, 8900.0),
        margin: (0.48, 0.62),
        axis: Axis::Ages,
        season: EVEN,
        grams: 320,
        share: 6.0,
        returns: 0.12,
        praise: &[
            "survived a whole nursery year",
            "goes on without a fight",
            "comes out of the wash like new",
            "leaves room to grow",
        ],
    },
    Family {
        category: "care/wash-and-wax",
        nouns: &["Wool Wash", "Leather Balm", "Waterproofing Spray", "Repair Patches", "Boot Brush"],
        traits: &["250 ml", "unscented", "for down", "set", "PFAS-free"],
        price: (690.0, 2490.0),
        margin: (0.5, 0.72),
        axis: Axis::One,
        season: EVEN,
        grams: 280,
        share: 4.0,
        returns: 0.01,
        praise: &[
            "lasts for ages, a little is enough",
            "smells of nothing, as it should",
            "made old boots look new",
            "beads water again after one go",
        ],
    },
];

/// Names of lines; invented.
const LINES: [&str; 64] = [
    "Tarnfell",
    "Lindmoor",
    "Kvarn",
    "Sorrelby",
    "Hollowoak",
    "Ashrigg",
    "Brackwater",
    "Dunmere",
    "Elderlund",
    "Fennick",
    "Gorsedale",
    "Hazelbrae",
    "Isenholm",
    "Junivik",
    "Kestrow",
    "Larkhythe",
    "Millrook",
    "Nettlecomb",
    "Ostervik",
    "Pinewick",
    "Quernby",
    "Rowanfold",
    "Skarvik",
    "Thornlea",
    "Ulverdal",
    "Vettermo",
    "Willowgarth",
    "Yarrowdale",
    "Zirbental",
    "Aldersund",
    "Birkhaven",
    "Cloudrigg",
    "Drumlin",
    "Eskdalen",
    "Fossheim",
    "Glimmerby",
    "Heathmark",
    "Inverlund",
    "Jotunby",
    "Kaldvik",
    "Lochwarden",
    "Mossgill",
    "Nordlea",
    "Oxbarrow",
    "Pebblecote",
    "Rimfell",
    "Saltmarch",
    "Tusselund",
    "Umberholt",
    "Vinterby",
    "Westerhalm",
    "Yewbank",
    "Akerby",
    "Bramblewick",
    "Cairnlow",
    "Dovrelund",
    "Embergate",
    "Flintham",
    "Granlia",
    "Hedgerow",
    "Islay Mill",
    "Kilnmoor",
    "Lyngholt",
    "Mistleby",
];

const SIZES: [&str; 6] = ["XS", "S", "M", "L", "XL", "XXL"];
const SHOES: [&str; 9] = ["37", "38", "39", "40", "41", "42", "43", "44", "45"];
const AGES: [&str; 5] = ["98/104", "110/116", "122/128", "134/140", "146/152"];
const COLOURS: [&str; 12] =
    ["moss", "ink", "rust", "oat", "slate", "heather", "bracken", "snow", "charcoal", "ochre", "petrol", "berry"];

/// What the platform calls the variant of a product that has but one.
pub const ONLY: &str = "Default Title";

/// A product of the shop.
#[derive(Debug, Clone)]
pub struct Product {
    /// Its number at the platform.
    pub id: u64,
    /// Index into [`FAMILIES`].
    pub family: usize,
    /// What it is called.
    pub title: String,
    /// What the shop says of it.
    pub description: String,
    /// Tags.
    pub tags: Vec<String>,
    /// Indices of its variants.
    pub variants: std::ops::Range<usize>,
    /// How often it is bought, relative to others, without season.
    pub popularity: f64,
    /// How good it is, 1 to 5: what reviews scatter around.
    pub quality: f64,
    /// Drafts are not sold.
    pub published: bool,
}

/// A variant of a product: what one can put into a cart.
#[derive(Debug, Clone)]
pub struct Variant {
    /// Its number at the platform.
    pub id: u64,
    /// Index of its product.
    pub product: usize,
    /// `M`, `42`, `moss`; `Default Title` where there is one.
    pub option: String,
    /// The shop's own number.
    pub sku: String,
    /// Cents.
    pub price: i64,
    /// Cents; what it was before, where it is on sale.
    pub compare_at: Option<i64>,
    /// Cents.
    pub cost: i64,
    /// Share of its product's sales.
    pub share: f64,
}

impl Product {
    /// Its family.
    #[must_use]
    pub fn family(&self) -> &'static Family {
        &FAMILIES[self.family]
    }
}

/// Makes `count` products with their variants.
#[must_use]
pub fn stock_up(seed: u64, count: usize) -> (Vec<Product>, Vec<Variant>) {
    let mut dice = Dice::new(seed, "catalogue");
    let shares: Vec<f64> = FAMILIES.iter().map(|family| family.share).collect();
    let (mut products, mut variants) = (Vec::with_capacity(count), Vec::with_capacity(count * 3));
    let mut taken = std::collections::BTreeSet::new();
    for n in 0..count {
        // The first of each family is certain, so that small shops have every family too.
        let kind = if n < FAMILIES.len() { n } else { dice.weighted(&shares) };
        let family = &FAMILIES[kind];
        let mut title;
        loop {
            let line = *dice.pick(&LINES);
            let noun = *dice.pick(family.nouns);
            title = format!("{line} {noun}");
            if !taken.insert(title.clone()) {
                title = format!("{line} {noun}, {}", dice.pick(family.traits));
                if !taken.insert(title.clone()) {
                    continue;
                }
            }
            break;
        }
        let id = super::PRODUCT_IDS + n as u64;
        let price = charm(family.price.0 * (family.price.1 / family.price.0).powf(dice.unit().powf(1.3)));
        let margin = dice.range(family.margin.0, family.margin.1);
        // Net of 19 % VAT, which the price includes.
        let cost = (price as f64 / 1.19 * (1.0 - margin)).round() as i64;
        let on_sale = dice.chance(0.1);
        let first = variants.len();
        for (at, (option, share)) in options(family.axis, &mut dice).into_iter().enumerate() {
            let price = if on_sale { charm(price as f64 * 0.85) } else { price };
            variants.push(Variant {
                id: super::VARIANT_IDS + variants.len() as u64,
                product: n,
                sku: format!("{}-{n:03}-{at:02}", sku_prefix(family.category)),
                option,
                price,
                compare_at: on_sale.then(|| charm(price as f64 / 0.85)),
                cost,
                share,
            });
        }
        let mut tags = vec![family.category.rsplit('/').next().unwrap_or_default().to_owned()];
        if on_sale {
            tags.push("sale".into());
        }
        let popularity = 1.0 / (1.0 + dice.below(count) as f64).powf(0.5) * dice.log_normal(1.0, 0.3);
        if popularity > 0.2 {
            tags.push("bestseller".into());
        }
        let published = !dice.chance(0.015);
        products.push(Product {
            id,
            family: kind,
            description: describe(&title, family, &mut dice),
            title,
            tags,
            variants: first..variants.len(),
            popularity: if published { popularity } else { 0.0 },
            quality: (4.25 + 0.45 * dice.normal()).clamp(2.6, 4.9),
            published,
        });
    }
    (products, variants)
}

/// Rounds to a price that looks like one: 24.90, 119.00.
#[must_use]
pub fn charm(cents: f64) -> i64 {
    let cents = cents.max(290.0);
    if cents >= 10_000.0 {
        (cents / 1_000.0).round() as i64 * 1_000 - 100
    } else {
        (cents / 100.0).round() as i64 * 100 - 10
    }
}

fn options(axis: Axis, dice: &mut Dice) -> Vec<(String, f64)> {
    let curve = |names: &[&str]| {
        let middle = (names.len() - 1) as f64 / 2.0;
        let width = names.len() as f64 / 3.0;
        names
            .iter()
            .enumerate()
            .map(|(i, name)| ((*name).to_owned(), (-((i as f64 - middle) / width).powi(2)).exp()))
            .collect::<Vec<_>>()
    };
    match axis {
        Axis::One => vec![(ONLY.into(), 1.0)],
        Axis::Sizes => curve(&SIZES[1 + dice.below(2)..5]),
        Axis::Shoes => curve(&SHOES[2 + dice.below(2)..6 + dice.below(3)]),
        Axis::Ages => curve(&AGES[..2 + dice.below(2)]),
        Axis::Colours => {
            let first = dice.below(COLOURS.len());
            (0..1 + dice.below(2))
                .map(|i| (COLOURS[(first + i * 5) % COLOURS.len()].to_owned(), dice.range(0.6, 1.0)))
                .collect()
        }
    }
}

fn sku_prefix(category: &str) -> String {
    category.split(['/', '-']).filter_map(|word| word.get(..2)).collect::<String>().to_uppercase()
}

fn describe(title: &str, family: &Family, dice: &mut Dice) -> String {
    let first = dice.below(family.praise.len());
    let second = (first + 1) % family.praise.len();
    let opening = *dice.pick(&[
        "Made to be used for years:",
        "A favourite of our own staff:",
        "Simple and well made:",
        "New in a familiar shape:",
    ]);
    let care = *dice.pick(&[
        "Spare parts are available from us.",
        "We repair it for as long as you own it.",
        "Made in small batches in Portugal.",
        "Tested by our staff on the coast path.",
        "Comes in packaging without plastic.",
    ]);
    format!(
        "{opening} the {title} ({}) {} and {}. {care}",
        dice.pick(family.traits),
        family.praise[first],
        family.praise[second]
    )
}
