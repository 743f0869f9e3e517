//! Names and places. First and last names are common ones, drawn independently; phone numbers are from
//! the ranges that regulators set aside for fiction, e-mail domains from RFC 2606.

use chrono_tz::Tz;

use crate::dice::Dice;

/// A country the shop delivers to.
#[derive(Debug, PartialEq, Eq)]
pub struct Country {
    /// ISO 3166.
    pub code: &'static str,
    /// English name.
    pub name: &'static str,
    /// BCP 47.
    pub locale: &'static str,
    /// The zone of the city.
    pub zone: Tz,
    /// Names of streets.
    streets: &'static [&'static str],
    /// A number's beginning, and how many digits follow.
    phone: (&'static str, u32),
}

impl Country {
    /// A telephone number that nobody has.
    pub fn phone(&self, dice: &mut Dice) -> String {
        let (start, digits) = self.phone;
        let number = dice.below(10_usize.pow(digits));
        format!("{start}{number:0width$}", width = digits as usize)
    }

    /// A street with a number.
    pub fn street(&self, dice: &mut Dice) -> String {
        let (street, number) = (*dice.pick(self.streets), dice.between(1, 128));
        match self.code {
            "DE" | "AT" | "SE" => format!("{street} {number}"),
            _ => format!("{number} {street}"),
        }
    }
}

/// A city.
#[derive(Debug, PartialEq)]
pub struct City {
    /// What it is called.
    pub name: &'static str,
    /// Postal code.
    pub zip: &'static str,
    /// State or county, where addresses have one: name and code.
    pub province: Option<(&'static str, &'static str)>,
    /// Where it lies.
    pub country: &'static Country,
    /// Share of customers.
    pub weight: f64,
}

const GERMAN: &[&str] =
    &["Lindenstraße", "Bergweg", "Hafenstraße", "Gartenweg", "Mühlenstraße", "Am Anger", "Kirchgasse"];
const ENGLISH: &[&str] =
    &["Mill Lane", "Orchard Road", "Harbour Street", "Station Road", "Church Hill", "Larch Avenue"];
const FRENCH: &[&str] =
    &["rue des Lilas", "avenue du Port", "rue de la Fontaine", "chemin des Vignes", "place du Marché"];
const SWEDISH: &[&str] = &["Storgatan", "Skogsvägen", "Hamngatan", "Ängsvägen", "Björkgatan"];

static GERMANY: Country = Country {
    code: "DE",
    name: "Germany",
    locale: "de-DE",
    zone: Tz::Europe__Berlin,
    streets: GERMAN,
    phone: ("+491764069", 3),
};
static AUSTRIA: Country = Country {
    code: "AT",
    name: "Austria",
    locale: "de-AT",
    zone: Tz::Europe__Vienna,
    streets: GERMAN,
    phone: ("+491764069", 3),
};
static BRITAIN: Country = Country {
    code: "GB",
    name: "United Kingdom",
    locale: "en-GB",
    zone: Tz::Europe__London,
    streets: ENGLISH,
    phone: ("+447700900", 3),
};
static IRELAND: Country = Country {
    code: "IE",
    name: "Ireland",
    locale: "en-IE",
    zone: Tz::Europe__Dublin,
    streets: ENGLISH,
    phone: ("+3532091", 5),
};
static FRANCE: Country = Country {
    code: "FR",
    name: "France",
    locale: "fr-FR",
    zone: Tz::Europe__Paris,
    streets: FRENCH,
    phone: ("+33639980", 3),
};
static SWEDEN: Country = Country {
    code: "SE",
    name: "Sweden",
    locale: "sv-SE",
    zone: Tz::Europe__Stockholm,
    streets: SWEDISH,
    phone: ("+467017406", 2),
};
static EAST: Country = Country {
    code: "US",
    name: "United States",
    locale: "en-US",
    zone: Tz::America__New_York,
    streets: ENGLISH,
    phone: ("+120255501", 2),
};
static CENTRAL: Country = Country {
    code: "US",
    name: "United States",
    locale: "en-US",
    zone: Tz::America__Chicago,
    streets: ENGLISH,
    phone: ("+131255501", 2),
};
static PACIFIC: Country = Country {
    code: "US",
    name: "United States",
    locale: "en-US",
    zone: Tz::America__Los_Angeles,
    streets: ENGLISH,
    phone: ("+120655501", 2),
};

const fn city(name: &'static str, zip: &'static str, country: &'static Country, weight: f64) -> City {
    City { name, zip, province: None, country, weight }
}

const fn state(
    name: &'static str,
    zip: &'static str,
    province: (&'static str, &'static str),
    country: &'static Country,
    weight: f64,
) -> City {
    City { name, zip, province: Some(province), country, weight }
}

/// Where customers live.
pub static CITIES: [City; 28] = [
    city("Berlin", "10115", &GERMANY, 9.0),
    city("Hamburg", "20095", &GERMANY, 8.0),
    city("München", "80331", &GERMANY, 7.0),
    city("Köln", "50667", &GERMANY, 5.0),
    city("Leipzig", "04109", &GERMANY, 4.0),
    city("Freiburg", "79098", &GERMANY, 3.0),
    city("Bremen", "28195", &GERMANY, 3.0),
    city("Dresden", "01067", &GERMANY, 3.0),
    city("Wien", "1010", &AUSTRIA, 5.0),
    city("Innsbruck", "6020", &AUSTRIA, 3.0),
    city("Graz", "8010", &AUSTRIA, 2.0),
    city("London", "E1 6AN", &BRITAIN, 7.0),
    city("Leeds", "LS1 4DY", &BRITAIN, 4.0),
    city("Bristol", "BS1 4ST", &BRITAIN, 4.0),
    city("Edinburgh", "EH1 1YZ", &BRITAIN, 4.0),
    city("Dublin", "D02 X285", &IRELAND, 3.0),
    city("Galway", "H91 E9XE", &IRELAND, 1.5),
    city("Paris", "75011", &FRANCE, 4.0),
    city("Lyon", "69002", &FRANCE, 3.0),
    city("Rennes", "35000", &FRANCE, 2.0),
    city("Stockholm", "111 29", &SWEDEN, 3.0),
    city("Göteborg", "411 03", &SWEDEN, 2.5),
    city("Malmö", "211 34", &SWEDEN, 1.5),
    state("Boston", "02108", ("Massachusetts", "MA"), &EAST, 2.5),
    state("New York", "10013", ("New York", "NY"), &EAST, 3.0),
    state("Chicago", "60605", ("Illinois", "IL"), &CENTRAL, 2.0),
    state("Seattle", "98101", ("Washington", "WA"), &PACIFIC, 2.5),
    state("Portland", "97205", ("Oregon", "OR"), &PACIFIC, 2.0),
];

/// First names.
pub static FIRST_NAMES: [&str; 96] = [
    "Anna", "Ben", "Clara", "David", "Eva", "Felix", "Greta", "Hannah", "Isak", "Jonas", "Klara", "Lena", "Mats",
    "Nora", "Oskar", "Paula", "Ronja", "Samuel", "Theo", "Ulrike", "Vera", "Wanda", "Yara", "Zoe", "Alice", "Bridget",
    "Callum", "Deirdre", "Edward", "Fiona", "George", "Harriet", "Imogen", "Jack", "Kieran", "Lucy", "Maeve", "Niamh",
    "Oliver", "Poppy", "Rory", "Sophie", "Thomas", "Una", "Victoria", "William", "Amélie", "Baptiste", "Camille",
    "Denis", "Élise", "Fabien", "Gaëlle", "Hugo", "Inès", "Julien", "Léa", "Manon", "Noé", "Océane", "Pierre",
    "Romane", "Simon", "Théa", "Agnes", "Björn", "Cecilia", "Elsa", "Freja", "Gustav", "Hilma", "Ingrid", "Johan",
    "Karin", "Linnea", "Magnus", "Nils", "Olle", "Petra", "Sigrid", "Aaron", "Beth", "Carlos", "Dana", "Emily",
    "Frank", "Grace", "Henry", "Iris", "Jasmine", "Kevin", "Laura", "Miguel", "Naomi", "Owen", "Priya",
];

/// Last names.
pub static LAST_NAMES: [&str; 96] = [
    "Albrecht",
    "Bauer",
    "Berger",
    "Dietrich",
    "Engel",
    "Fischer",
    "Graf",
    "Hartmann",
    "Jansen",
    "Keller",
    "Lang",
    "Maier",
    "Neumann",
    "Otto",
    "Peters",
    "Richter",
    "Schäfer",
    "Seidel",
    "Sommer",
    "Vogel",
    "Wagner",
    "Winkler",
    "Zimmermann",
    "Hofer",
    "Gruber",
    "Egger",
    "Atkinson",
    "Barnes",
    "Clarke",
    "Doyle",
    "Ellis",
    "Fletcher",
    "Gallagher",
    "Hughes",
    "Irving",
    "Jenkins",
    "Kelly",
    "Lambert",
    "Murray",
    "Nolan",
    "O'Brien",
    "Palmer",
    "Quinn",
    "Reid",
    "Shaw",
    "Turner",
    "Underwood",
    "Walsh",
    "Young",
    "Aubert",
    "Blanchard",
    "Chevalier",
    "Dumont",
    "Faure",
    "Garnier",
    "Hubert",
    "Laurent",
    "Marchand",
    "Noël",
    "Perrin",
    "Renard",
    "Roussel",
    "Tessier",
    "Andersson",
    "Bergström",
    "Dahl",
    "Ekström",
    "Forsberg",
    "Gustafsson",
    "Holm",
    "Isaksson",
    "Lindqvist",
    "Nyberg",
    "Sandberg",
    "Sjögren",
    "Wikström",
    "Adams",
    "Brooks",
    "Carter",
    "Diaz",
    "Evans",
    "Foster",
    "Garcia",
    "Hayes",
    "Ibarra",
    "Jordan",
    "Kim",
    "Lopez",
    "Morgan",
    "Nguyen",
    "Ortiz",
    "Patel",
    "Rivera",
    "Sato",
    "Torres",
    "Weber",
];
