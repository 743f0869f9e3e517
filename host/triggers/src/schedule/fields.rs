//! The five fields, in the meaning of crontab(5).

/// The values a field allows, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    /// Bit `n` is set where `n` is allowed. Weekdays: 0 is Sunday, bit 7 is never set.
    pub values: u64,
    /// Written with a leading `*`: not a restriction, in the day rule of crontab(5).
    pub starred: bool,
}

impl Field {
    /// The allowed values, ascending.
    pub fn list(self) -> Vec<u32> {
        (0..64).filter(|bit| self.values & (1 << bit) != 0).collect()
    }
}

/// A crontab line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields {
    pub minute: Field,
    pub hour: Field,
    pub day: Field,
    pub month: Field,
    pub weekday: Field,
}

/// What is wrong with a field.
#[derive(Debug)]
pub(super) struct Fault {
    pub field: &'static str,
    pub reason: String,
    pub remedy: String,
}

impl Fault {
    pub fn whole(reason: String, remedy: String) -> Self {
        Self { field: "fields", reason, remedy }
    }
}

/// What a field may hold.
struct Shape {
    name: &'static str,
    min: u32,
    /// The largest number one may write.
    max: u32,
    /// In order, the first stands for `min`.
    names: &'static [&'static str],
}

const MINUTE: Shape = Shape { name: "minute", min: 0, max: 59, names: &[] };
const HOUR: Shape = Shape { name: "hour", min: 0, max: 23, names: &[] };
const DAY: Shape = Shape { name: "day of month", min: 1, max: 31, names: &[] };
const MONTH: Shape = Shape {
    name: "month",
    min: 1,
    max: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};
const WEEKDAY: Shape =
    Shape { name: "weekday", min: 0, max: 7, names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] };

const ALIASES: &[(&str, &str)] = &[
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

impl Fields {
    /// Reads a crontab line or an alias.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let line = if text.starts_with('@') {
            let Some((_, line)) = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(text)) else {
                let known: Vec<&str> = ALIASES.iter().map(|(alias, _)| *alias).collect();
                return Err(Fault::whole(
                    format!("`{text}` is not known"),
                    format!("write one of {}", known.join(", ")),
                ));
            };
            line
        } else {
            text
        };
        let parts: Vec<&str> = line.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = parts[..] else {
            let remedy = match parts.len() {
                6 => "leave out the seconds: minute, hour, day of month, month, weekday".into(),
                _ => "write five: minute, hour, day of month, month, weekday, such as `0 6 * * *`".into(),
            };
            return Err(Fault::whole(format!("there are {}, not five", parts.len()), remedy));
        };
        Ok(Self {
            minute: MINUTE.parse(minute)?,
            hour: HOUR.parse(hour)?,
            day: DAY.parse(day)?,
            month: MONTH.parse(month)?,
            weekday: WEEKDAY.parse(weekday)?,
        })
    }

    /// The lines for the `cron` crate: seconds first, weekdays from 1 (Sunday), lists of numbers. Two where
    /// day of month and weekday are alternatives.
    pub fn calendar_lines(&self) -> Vec<String> {
        let line = |day: &str, weekday: &str| {
            format!(
                "0 {} {} {day} {} {weekday}",
                MINUTE.plain(self.minute, 0),
                HOUR.plain(self.hour, 0),
                MONTH.plain(self.month, 0)
            )
        };
        let (day, weekday) = (DAY.plain(self.day, 0), WEEKDAY.plain(self.weekday, 1));
        if self.either_day() { vec![line(&day, "*"), line("*", &weekday)] } else { vec![line(&day, &weekday)] }
    }

    /// Whether a day that matches day of month or weekday will do.
    pub fn either_day(&self) -> bool {
        !self.day.starred && !self.weekday.starred
    }
}

impl Shape {
    /// Every value, as bits.
    fn all(&self) -> u64 {
        let max = if self.name == WEEKDAY.name { 6 } else { self.max };
        (self.min..=max).fold(0, |bits, value| bits | 1 << value)
    }

    /// As a list of numbers, each raised by `shift`, or `*`.
    fn plain(&self, field: Field, shift: u32) -> String {
        if field.values == self.all() {
            return "*".into();
        }
        field.list().iter().map(|value| (value + shift).to_string()).collect::<Vec<_>>().join(",")
    }

    fn fault(&self, reason: String, remedy: impl Into<String>) -> Fault {
        Fault { field: self.name, reason, remedy: remedy.into() }
    }

    fn parse(&self, text: &str) -> Result<Field, Fault> {
        let mut values = 0;
        for item in text.split(',') {
            values |= self.item(item)?;
        }
        Ok(Field { values, starred: text.starts_with('*') })
    }

    /// One entry of the list: `*`, `a`, `a-b`, the first and last with `/step`.
    fn item(&self, item: &str) -> Result<u64, Fault> {
        if item.is_empty() {
            return Err(self.fault("an entry of the list is empty".into(), "remove the comma or write a value"));
        }
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step)?)),
            None => (item, None),
        };
        let (first, last) = if range == "*" {
            (self.min, if self.name == WEEKDAY.name { 6 } else { self.max })
        } else if let Some((first, last)) = range.split_once('-') {
            self.range(first, last)?
        } else {
            let value = self.value(range)?;
            if step.is_some() {
                return Err(self.fault(
                    format!("`{item}` gives a step without a range"),
                    format!("write `{value}-{}/{}`", self.max, step.unwrap_or(1)),
                ));
            }
            (value, value)
        };
        let mut bits = 0u64;
        for value in (first..=last).step_by(step.unwrap_or(1)) {
            // 7 is Sunday too.
            let value = if self.name == WEEKDAY.name { value % 7 } else { value };
            bits |= 1 << value;
        }
        Ok(bits)
    }

    fn range(&self, first: &str, last: &str) -> Result<(u32, u32), Fault> {
        let (low, mut high) = (self.value(first)?, self.value(last)?);
        // A range to Sunday by name goes to the end of the week.
        if self.name == WEEKDAY.name && last.eq_ignore_ascii_case("SUN") && low > 0 {
            high = 7;
        }
        if low > high {
            let parts = if number(first).is_some() {
                format!("{low}-{},{}-{high}", self.max, self.min)
            } else {
                // The year ends with December, the week with Sunday.
                let (start, end) = if self.name == WEEKDAY.name { ("MON", "SUN") } else { ("JAN", "DEC") };
                let rest = if last.eq_ignore_ascii_case(start) { String::new() } else { format!("-{last}") };
                format!("{first}-{end},{start}{rest}")
            };
            let remedy = format!("write the two parts as a list: `{parts}`");
            return Err(self.fault(format!("the range `{first}-{last}` goes backwards"), remedy));
        }
        Ok((low, high))
    }

    fn step(&self, text: &str) -> Result<usize, Fault> {
        match number(text) {
            Some(0) => Err(self.fault("a step of 0 never comes".into(), "write at least 1")),
            Some(step) if step <= self.max => Ok(step as usize),
            Some(step) => Err(self.fault(
                format!("a step of {step} is longer than the field"),
                format!("write at most {}; a step never carries into the next field", self.max),
            )),
            None => Err(self.fault(format!("`{text}` is no step"), "write a number after the slash, such as `*/15`")),
        }
    }

    fn value(&self, text: &str) -> Result<u32, Fault> {
        if let Some(index) = self.names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
            // At most twelve names.
            return Ok(self.min + index as u32);
        }
        match number(text) {
            Some(value) if (self.min..=self.max).contains(&value) => Ok(value),
            Some(value) => {
                Err(self.fault(format!("{value} is out of range"), format!("write {} to {}", self.min, self.max)))
            }
            None => {
                let remedy = match (text, self.names.first().zip(self.names.last())) {
                    ("?", _) => "write `*`".into(),
                    (_, Some((first, last))) => {
                        format!("write {} to {} or {first} to {last}", self.min, self.max)
                    }
                    (_, None) => format!("write `*` or {} to {}", self.min, self.max),
                };
                Err(self.fault(format!("`{text}` is not known"), remedy))
            }
        }
    }
}

/// At most four digits and nothing else.
fn number(text: &str) -> Option<u32> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}
