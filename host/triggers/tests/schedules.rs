//! Crontab meaning, refusals, and daylight saving time, by tables.

use chrono::{DateTime, TimeZone, Utc};
use chrono_tz::Tz;
use shopwright_triggers::Schedule;

fn ms(rfc3339: &str) -> i64 {
    DateTime::parse_from_rfc3339(rfc3339).expect("a time").timestamp_millis()
}

/// The next fires, in local time with offset.
fn fires(schedule: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let tz: Tz = zone.parse().expect("a zone");
    let schedule = Schedule::parse(schedule).expect(schedule);
    let mut at = ms(after);
    (0..count)
        .map(|_| {
            at = schedule.next_after(at, tz).expect("a fire");
            tz.from_utc_datetime(&DateTime::<Utc>::from_timestamp_millis(at).expect("in range").naive_utc())
                .format("%Y-%m-%dT%H:%M%:z")
                .to_string()
        })
        .collect()
}

#[test]
fn fields_mean_what_crontab_means() {
    // 2026-03-01 is a Sunday.
    let start = "2026-03-01T00:00:00Z";
    let table: &[(&str, &[&str])] = &[
        ("0 6 * * 0", &["2026-03-01T06:00", "2026-03-08T06:00"]),
        ("0 6 * * 7", &["2026-03-01T06:00", "2026-03-08T06:00"]),
        ("0 6 * * SUN", &["2026-03-01T06:00", "2026-03-08T06:00"]),
        ("0 6 * * 1", &["2026-03-02T06:00", "2026-03-09T06:00"]),
        ("0 6 * * mon", &["2026-03-02T06:00", "2026-03-09T06:00"]),
        ("0 6 * * 6", &["2026-03-07T06:00"]),
        (
            "0 6 * * 1-5",
            &[
                "2026-03-02T06:00",
                "2026-03-03T06:00",
                "2026-03-04T06:00",
                "2026-03-05T06:00",
                "2026-03-06T06:00",
                "2026-03-09T06:00",
            ],
        ),
        (
            "0 6 * * FRI-SUN",
            &["2026-03-01T06:00", "2026-03-06T06:00", "2026-03-07T06:00", "2026-03-08T06:00", "2026-03-13T06:00"],
        ),
        ("0 6 * * 5-7", &["2026-03-01T06:00", "2026-03-06T06:00", "2026-03-07T06:00", "2026-03-08T06:00"]),
        ("0 6 * * 0-6", &["2026-03-01T06:00", "2026-03-02T06:00"]),
        (
            "0 6 * * 1-7/2",
            &["2026-03-01T06:00", "2026-03-02T06:00", "2026-03-04T06:00", "2026-03-06T06:00", "2026-03-08T06:00"],
        ),
        ("*/20 9,17 * * *", &["2026-03-01T09:00", "2026-03-01T09:20", "2026-03-01T09:40", "2026-03-01T17:00"]),
        ("5-10/5,30 0 * * *", &["2026-03-01T00:05", "2026-03-01T00:10", "2026-03-01T00:30", "2026-03-02T00:05"]),
        ("0 0 1 APR-JUN,12 *", &["2026-04-01T00:00", "2026-05-01T00:00", "2026-06-01T00:00", "2026-12-01T00:00"]),
        ("0 0 29 2 *", &["2028-02-29T00:00", "2032-02-29T00:00"]),
        // Both given: either one.
        (
            "0 0 13 * 5",
            &[
                "2026-03-06T00:00",
                "2026-03-13T00:00",
                "2026-03-20T00:00",
                "2026-03-27T00:00",
                "2026-04-03T00:00",
                "2026-04-10T00:00",
                "2026-04-13T00:00",
            ],
        ),
        // A field that begins with a star restricts nothing by itself: both must match.
        ("0 0 */2 * 1", &["2026-03-09T00:00", "2026-03-23T00:00"]),
        ("0 0 1-7 * *", &["2026-03-02T00:00", "2026-03-03T00:00"]),
        ("@hourly", &["2026-03-01T01:00", "2026-03-01T02:00"]),
        ("@daily", &["2026-03-02T00:00", "2026-03-03T00:00"]),
        ("@midnight", &["2026-03-02T00:00"]),
        ("@weekly", &["2026-03-08T00:00", "2026-03-15T00:00"]),
        ("@monthly", &["2026-04-01T00:00", "2026-05-01T00:00"]),
        ("@yearly", &["2027-01-01T00:00", "2028-01-01T00:00"]),
        ("@Annually", &["2027-01-01T00:00"]),
        ("  0   6 * * *  ", &["2026-03-01T06:00"]),
    ];
    for (schedule, expected) in table {
        let expected: Vec<String> = expected.iter().map(|at| format!("{at}+00:00")).collect();
        assert_eq!(fires(schedule, "UTC", start, expected.len()), expected, "{schedule}");
    }
}

#[test]
fn daylight_saving_time() {
    let table: &[(&str, &str, &str, &[&str])] = &[
        // Berlin, 2026-03-29: 02:00 to 03:00 does not exist.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00+01:00",
            &["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"],
        ),
        (
            "*/15 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00+01:00",
            &["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"],
        ),
        (
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-03-29T01:15:00+01:00",
            &["2026-03-29T01:30+01:00", "2026-03-29T03:00+02:00", "2026-03-29T03:30+02:00"],
        ),
        (
            "0 2,3 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00+01:00",
            &["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00", "2026-03-30T03:00+02:00"],
        ),
        ("30 2 29 3 *", "Europe/Berlin", "2026-03-29T03:00:00+02:00", &["2027-03-29T02:30+02:00"]),
        // Berlin, 2026-10-25: 02:00 to 03:00 comes twice.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00:00+02:00",
            &["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"],
        ),
        (
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-10-25T01:45:00+02:00",
            &["2026-10-25T02:00+02:00", "2026-10-25T02:30+02:00", "2026-10-25T03:00+01:00"],
        ),
        // Asked from within the second 02:15.
        ("*/30 * * * *", "Europe/Berlin", "2026-10-25T02:15:00+01:00", &["2026-10-25T03:00+01:00"]),
        // New York, 2026-03-08 and 2026-11-01.
        (
            "30 2 * * *",
            "America/New_York",
            "2026-03-07T12:00:00-05:00",
            &["2026-03-08T03:00-04:00", "2026-03-09T02:30-04:00"],
        ),
        (
            "30 1 * * *",
            "America/New_York",
            "2026-10-31T12:00:00-04:00",
            &["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"],
        ),
        (
            "@hourly",
            "America/New_York",
            "2026-11-01T00:30:00-04:00",
            &["2026-11-01T01:00-04:00", "2026-11-01T02:00-05:00"],
        ),
        // Lord Howe shifts by half an hour: 2026-10-04 skips 02:00 to 02:30, 2026-04-05 repeats 01:30 to 02:00.
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T12:00:00+10:30",
            &["2026-10-04T02:30+11:00", "2026-10-05T02:15+11:00"],
        ),
        (
            "30 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T12:00:00+10:30",
            &["2026-10-04T02:30+11:00", "2026-10-05T02:30+11:00"],
        ),
        (
            "*/15 * * * *",
            "Australia/Lord_Howe",
            "2026-10-04T01:45:00+10:30",
            &["2026-10-04T02:30+11:00", "2026-10-04T02:45+11:00"],
        ),
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T12:00:00+11:00",
            &["2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30"],
        ),
        (
            "*/15 * * * *",
            "Australia/Lord_Howe",
            "2026-04-05T01:30:00+11:00",
            &["2026-04-05T01:45+11:00", "2026-04-05T02:00+10:30"],
        ),
        // Samoa left out a whole day, 2011-12-30.
        (
            "0 6 * * *",
            "Pacific/Apia",
            "2011-12-29T12:00:00-10:00",
            &["2011-12-31T00:00+14:00", "2011-12-31T06:00+14:00"],
        ),
    ];
    for (schedule, zone, after, expected) in table {
        assert_eq!(&fires(schedule, zone, after, expected.len()), expected, "{schedule} in {zone}");
    }
}

#[test]
fn the_next_fire_is_strictly_after() {
    let schedule = Schedule::parse("0 6 * * *").expect("a schedule");
    let six = ms("2026-03-01T06:00:00Z");
    let day = 86_400_000;
    for (after, expected) in [(six - 1, six), (six, six + day), (six + 1, six + day), (six + 59_999, six + day)] {
        assert_eq!(schedule.next_after(after, Tz::UTC), Some(expected), "after {after}");
    }
    for (after, expected) in [(i64::MIN, Some(6 * 3_600_000)), (i64::MAX, None), (ms("2100-12-31T06:00:00Z"), None)] {
        assert_eq!(schedule.next_after(after, Tz::UTC), expected, "after {after}");
    }
}

#[test]
fn refusals_name_field_reason_and_remedy() {
    let table = [
        ("", "fields: there are 0, not five; write five"),
        ("* * * *", "fields: there are 4, not five; write five"),
        ("0 0 6 * * *", "fields: there are 6, not five; leave out the seconds"),
        ("60 * * * *", "minute: 60 is out of range; write 0 to 59"),
        ("* 24 * * *", "hour: 24 is out of range; write 0 to 23"),
        ("* * 0 * *", "day of month: 0 is out of range; write 1 to 31"),
        ("* * * 13 *", "month: 13 is out of range; write 1 to 12"),
        ("* * * * 8", "weekday: 8 is out of range; write 0 to 7"),
        ("* * * MAI *", "month: `MAI` is not known; write 1 to 12 or JAN to DEC"),
        ("* * * * MONDAY", "weekday: `MONDAY` is not known; write 0 to 7 or SUN to SAT"),
        (
            "* * * * FRI-MON",
            "weekday: the range `FRI-MON` goes backwards; write the two parts as a list: `FRI-SUN,MON`",
        ),
        ("* * * * 5-1", "weekday: the range `5-1` goes backwards; write the two parts as a list: `5-7,0-1`"),
        (
            "* * * NOV-FEB *",
            "month: the range `NOV-FEB` goes backwards; write the two parts as a list: `NOV-DEC,JAN-FEB`",
        ),
        ("50-10 * * * *", "minute: the range `50-10` goes backwards; write the two parts as a list: `50-59,0-10`"),
        ("*/0 * * * *", "minute: a step of 0 never comes; write at least 1"),
        ("*/90 * * * *", "minute: a step of 90 is longer than the field; write at most 59"),
        ("*/x * * * *", "minute: `x` is no step; write a number"),
        ("5/15 * * * *", "minute: `5/15` gives a step without a range; write `5-59/15`"),
        ("1,,2 * * * *", "minute: an entry of the list is empty; remove the comma"),
        ("-1 * * * *", "minute: `` is not known; write `*` or 0 to 59"),
        ("* * ? * *", "day of month: `?` is not known; write `*`"),
        ("* * L * *", "day of month: `L` is not known; write `*` or 1 to 31"),
        ("0 0 30 2 *", "day of month: no month that is named has such a day; take a day that exists"),
        ("0 0 31 4,6 *", "day of month: no month that is named has such a day"),
        ("@reboot", "fields: `@reboot` is not known; write one of @hourly, @daily"),
        ("٣ * * * *", "minute: `٣` is not known"),
    ];
    for (schedule, expected) in table {
        let error = Schedule::parse(schedule).expect_err(schedule).to_string();
        assert!(error.starts_with(&format!("schedule `{schedule}`: {expected}")), "{schedule}: {error}");
    }
    let long = Schedule::parse(&"1,".repeat(10_000)).expect_err("too long").to_string();
    assert!(long.len() < 500 && long.contains("20000 bytes are too many"), "{long}");
}

#[test]
fn words_say_when() {
    let table = [
        ("* * * * *", "every minute"),
        ("*/15 * * * *", "every 15 minutes"),
        ("0 * * * *", "every hour"),
        ("5 * * * *", "every hour at minute 5"),
        ("0 6 * * *", "every day at 06:00"),
        ("0,30 6 * * *", "every day at 06:00 and 06:30"),
        ("0 6,18 * * *", "every day at 06:00 and 18:00"),
        ("0 */2 * * *", "every 2 hours"),
        ("0 6 * * 1", "every Monday at 06:00"),
        ("0 6 * * MON-FRI", "Monday to Friday at 06:00"),
        ("0 6 * * SAT,SUN", "every Saturday and Sunday at 06:00"),
        ("*/15 9-17 * * 1-5", "every 15 minutes from 09:00 to 17:45, Monday to Friday"),
        ("0 0 1 * *", "on day 1 of every month at 00:00"),
        ("0 0 1,15 * *", "on days 1 and 15 of every month at 00:00"),
        ("0 0 1 1 *", "on day 1 of January at 00:00"),
        ("0 6 * JUN-AUG *", "every day in June to August at 06:00"),
        ("0 0 13 * 5", "on day 13 of every month or every Friday at 00:00"),
    ];
    for (schedule, words) in table {
        assert_eq!(Schedule::parse(schedule).expect(schedule).words(), words, "{schedule}");
    }
    assert_eq!(Schedule::parse(" @daily ").expect("daily").to_string(), "@daily");
}
