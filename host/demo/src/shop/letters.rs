//! What people write to customer service: whole letters, as they come in, with room for an order's
//! number, a product, a size.

/// What a letter is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Where is my order?
    OrderStatus,
    /// Says delivered, is not here.
    NotReceived,
    /// Wrong size, exchange.
    WrongSize,
    /// Something else was in the parcel.
    WrongItem,
    /// Arrived broken, or broke.
    Damaged,
    /// What is it like, will it fit, is it coming back?
    ProductQuestion,
    /// Where is my money?
    Refund,
    /// Very cross.
    Angry,
    /// Login, payment, codes, the web site.
    Technical,
    /// Costs and times of delivery, addresses; before or after the order.
    Shipping,
    /// Please cancel.
    Cancel,
    /// Nothing that a rule would know.
    Other,
}

impl Topic {
    /// All, with how often they come among a hundred letters.
    pub const ALL: [(Self, f64); 12] = [
        (Self::OrderStatus, 26.0),
        (Self::NotReceived, 5.0),
        (Self::WrongSize, 11.0),
        (Self::WrongItem, 4.0),
        (Self::Damaged, 7.0),
        (Self::ProductQuestion, 15.0),
        (Self::Refund, 8.0),
        (Self::Angry, 5.0),
        (Self::Technical, 7.0),
        (Self::Shipping, 6.0),
        (Self::Cancel, 3.0),
        (Self::Other, 3.0),
    ];

    /// Whether it is about an order that was placed.
    #[must_use]
    pub const fn has_order(self) -> bool {
        !matches!(self, Self::ProductQuestion | Self::Technical | Self::Other)
    }

    /// The letters: subject and text.
    #[must_use]
    pub const fn letters(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::OrderStatus => &ORDER_STATUS,
            Self::NotReceived => &NOT_RECEIVED,
            Self::WrongSize => &WRONG_SIZE,
            Self::WrongItem => &WRONG_ITEM,
            Self::Damaged => &DAMAGED,
            Self::ProductQuestion => &PRODUCT_QUESTION,
            Self::Refund => &REFUND,
            Self::Angry => &ANGRY,
            Self::Technical => &TECHNICAL,
            Self::Shipping => &SHIPPING,
            Self::Cancel => &CANCEL,
            Self::Other => &OTHER,
        }
    }

    /// What a colleague answered when it was settled.
    #[must_use]
    pub const fn answers(self) -> &'static [&'static str] {
        match self {
            Self::OrderStatus => &[
                "Hi {first}, thanks for asking. Order {number} left our warehouse and is with the carrier; the tracking link is in your account. It should be with you within two working days.",
                "Hello {first}, I had a look: {number} is on its way. I'm sending the tracking number once more in a separate mail. Shout if it isn't there by the end of the week.",
            ],
            Self::NotReceived => &[
                "Hi {first}, I'm sorry. I've opened a trace with the carrier for {number}. If the parcel isn't found within three working days we send a new one.",
            ],
            Self::WrongSize => &[
                "Hi {first}, no problem at all. I've put a {size} aside for you and mailed you a return label; the new one leaves as soon as the carrier scans the old one.",
            ],
            Self::WrongItem => &[
                "Hi {first}, our mistake, sorry! The right one leaves today. Please use the enclosed label to send the other back.",
            ],
            Self::Damaged => &[
                "Hi {first}, that should not happen. A replacement for the {product} is on its way, no need to send the broken one back.",
                "Hello {first}, sorry about that. Would you like a replacement or your money back? Either is fine, just tell me.",
            ],
            Self::ProductQuestion => &[
                "Hi {first}, good question. I asked the colleague who tested the {product}: yes, that works. Have fun with it!",
                "Hello {first}, the details are on the product page under \"Materials\"; I've copied the part for you below.",
            ],
            Self::Refund => &[
                "Hi {first}, your return for {number} is checked in. The money goes out today and takes three to five working days to show up.",
            ],
            Self::Angry => &[
                "Dear {first}, you are right to be cross, and I am sorry. I took this over myself. I refunded the shipping for {number} and will call you this afternoon.",
            ],
            Self::Technical => &[
                "Hi {first}, thank you for telling us, that was a bug on our side and is mended. Please try again, and clear the page with a reload first.",
            ],
            Self::Shipping => {
                &["Hi {first}, yes, that's possible. The costs for your country are shown in the cart before you pay."]
            }
            Self::Cancel => &["Hi {first}, done, {number} is cancelled. The money is on its way back."],
            Self::Other => &["Hi {first}, thank you for writing! I've passed it on to the right person."],
        }
    }
}

const ORDER_STATUS: [(&str, &str); 18] = [
    (
        "Where is my order?",
        "Hi, I ordered {days} days ago (order {number}) and haven't heard anything since. Could you tell me where it is? Thanks, {first}",
    ),
    ("order {number}", "hello when will my parcel arrive?? order {number}"),
    (
        "Delivery of {number}",
        "Good morning, the tracking page for {number} has been saying \"in transit\" for {days} days. Is everything alright with it? Kind regards, {name}",
    ),
    ("Tracking", "I can't find a tracking number for {number}. Did it ship already?"),
    (
        "Status of my order",
        "Dear team, may I ask about the status of my order {number}? I need the {product} for a trip on Saturday. Best wishes, {name}",
    ),
    ("Has it shipped", "Has {number} shipped yet? No mail so far, maybe it landed in spam. {first}"),
    (
        "Waiting for my parcel",
        "Hi there! Any news on {number}? I'm away from Thursday and would like to know if I should ask a neighbour to take it in. Cheers {first}",
    ),
    ("{number} - where", "still waiting for the {product}. {number}. pls check"),
    (
        "Question about my delivery",
        "Hello, on your page it says 2-4 working days. Today is day {days}. Order number {number}. Could you have a look, please?",
    ),
    (
        "When will it arrive?",
        "Hi! Just wondering when the {product} will get here. The order is {number}. No rush, it's a present for the 24th. Thank you! {first}",
    ),
    (
        "my order",
        "Hi I ordered a {product} last week but lost the confirmation mail. Can you tell me when it comes? Name is {name}",
    ),
    (
        "Parcel stuck?",
        "The carrier says \"arrived at depot\" since {days} days and nothing moves. It's {number}. Can you do something?",
    ),
    (
        "Re: your order has shipped",
        "Thanks for the mail, but the link in it leads nowhere. Where can I see where {number} is?",
    ),
    ("order status", "{number}?"),
    (
        "Delivery date",
        "Could you give me a delivery date for {number}? I have to take a day off to be at home. Regards, {name}",
    ),
    ("Where's my stuff", "Hey guys, where's my stuff :) order {number}, the {product}. Thanks!"),
    (
        "Only half of it came",
        "One of two parcels of {number} arrived, the {product} is missing. Is it coming separately?",
    ),
    (
        "Bestellung {number}",
        "Hello, sorry for my English. I wait for my order {number} since {days} days. When does it come? Many greetings, {first}",
    ),
];

const NOT_RECEIVED: [(&str, &str); 7] = [
    (
        "Marked as delivered, not here",
        "The carrier says that {number} was delivered yesterday at 14:12. I was at home all day and nobody rang. It's not with the neighbours either. What now?",
    ),
    (
        "Parcel missing",
        "Hi, tracking says delivered but there is no parcel. I checked the shed, the porch and with the lady upstairs. Order {number}. {first}",
    ),
    ("delivered??", "it says my order {number} was handed to 'resident'. That was not me. please help"),
    (
        "Not received",
        "Good afternoon, order {number} is shown as delivered on {weekday} but I have not received it. Could you open an investigation with the carrier? {name}",
    ),
    (
        "Wrong address?",
        "I think the {product} went to my old address. {number} is shown as delivered. I did change the address in my account in spring!",
    ),
    (
        "Stolen?",
        "Delivered to the doorstep, says the app. There is nothing on my doorstep. Someone might have taken it. Order {number}.",
    ),
    ("No parcel", "My order {number} was left \"in a safe place\". Wherever that is, I can't find it."),
];

const WRONG_SIZE: [(&str, &str); 14] = [
    (
        "Exchange for a bigger size",
        "Hi, the {product} is lovely but too small. Can I swap the {size} for one size up? Order {number}. Thanks, {first}",
    ),
    ("Too big", "The {product} from {number} is far too big on me. How do I send it back and get a smaller one?"),
    ("Exchange", "hello can i exchange {product} size {size} for a bigger one? tags are still on"),
    ("Size", "I always wear {size}, yours fits like a tent. I'd like to exchange it, please. {number}"),
    (
        "Return / exchange {number}",
        "Good day, I would like to exchange the {product} in {size} for the next size. Do I have to pay for the return? Kind regards {name}",
    ),
    (
        "Doesn't fit",
        "Unfortunately it doesn't fit across the shoulders. Is there a long version of the {product}? Otherwise I'd return it. Order {number}.",
    ),
    (
        "Ordered the wrong size by mistake",
        "My fault, I clicked {size} and need one smaller. {number}, just arrived today. What's the quickest way?",
    ),
    (
        "Shoes too narrow",
        "The {product} pinch at the toes after ten minutes indoors. I haven't worn them outside. Can I get a half size up or a wide fit? {number}",
    ),
    ("Sizing", "Your size chart says {size} for my chest. It's wrong by at least one size. I want to swap it. {first}"),
    (
        "Present doesn't fit",
        "I bought the {product} for my son and it is too small. The receipt says {number}. Is an exchange possible after 30 days?",
    ),
    ("need to swap", "hey, {product} too tight. swap for bigger? thx {first}"),
    ("Return", "How do I return the {product}? It's nice but the cut isn't for me. Order {number}."),
    (
        "Two sizes to try",
        "As announced I ordered two sizes of the {product} ({number}) and want to return the {size}. There was no label in the box.",
    ),
    (
        "Exchange colour",
        "Is it possible to change {product} for another colour instead of a refund? The one I got looks different in daylight. {number}",
    ),
];

const WRONG_ITEM: [(&str, &str); 6] = [
    ("Wrong item", "I ordered the {product} and got something completely different. Order {number}. Photo attached."),
    (
        "Not what I ordered",
        "Hello, in the parcel for {number} there was a pan. I ordered a {product}. Somebody is probably wondering about it too :)",
    ),
    ("wrong colour", "You sent me the wrong colour of the {product}!! {number}"),
    (
        "Mix-up",
        "I think you mixed up two parcels. The delivery note in mine is for somebody else in {city}. My order is {number}. What should I do with it?",
    ),
    (
        "Item missing",
        "The {product} was on the delivery note of {number} but not in the box. The box wasn't damaged. Can you send it on?",
    ),
    (
        "Received twice",
        "Hi, I got the {product} twice but ordered it once ({number}). I'd like to send one back, honest as I am. {first}",
    ),
];

const DAMAGED: [(&str, &str); 12] = [
    (
        "Arrived damaged",
        "The {product} from order {number} arrived with a crack. The parcel was squashed on one side. I attach two pictures. What can you do? {name}",
    ),
    ("broken", "zip broke after 3 days. {product}, order {number}. not impressed"),
    (
        "Hole in it",
        "Hi, I unpacked the {product} today and there is a small hole near the seam. I'd like a new one, please. Order {number}, thanks, {first}",
    ),
    (
        "Damaged delivery",
        "Good morning, unfortunately the {product} was broken when it got here (order {number}). Do you need it back? Kind regards, {name}",
    ),
    ("Defective", "The {product} doesn't work. I charged it overnight and it won't switch on. {number}"),
    (
        "Sole coming off",
        "After two walks the sole of my {product} is coming off at the front. Surely that's not normal for this price? {number}",
    ),
    (
        "Leaks",
        "My {product} leaks at the seams after one afternoon of drizzle. It's sold as waterproof. I bought it under {number}.",
    ),
    (
        "Quality problem",
        "The colour of the {product} came off in the first wash at 30 degrees and ruined a white shirt. Who pays for that? Order {number}",
    ),
    (
        "Box was open",
        "The box was open and taped again, the {product} has scratches. Looks used to me. {number}. I'd like a replacement.",
    ),
    (
        "Warranty",
        "Bought the {product} fourteen months ago ({number}). Now a strap has torn. Is that covered? Could you repair it? {first}",
    ),
    ("Shattered", "It arrived in about forty pieces. Order {number}. Packing was one sheet of paper."),
    ("Faulty", "hello, {product} is faulty, handle came off in my hand. luckily nothing hot in it. {number}"),
];

const PRODUCT_QUESTION: [(&str, &str); 20] = [
    ("Question about the {product}", "Hi, is the {product} suitable for washing at 40 degrees? Thanks, {first}"),
    ("Which size?", "I'm 178 cm and 74 kg. Which size of the {product} would you recommend? Between M and L usually."),
    ("Back in stock?", "When will the {product} in {size} be available again? I'd order it at once."),
    ("Material", "Does the {product} contain any animal products? I can't find it on the page."),
    ("Fit", "Hello, does the {product} run small? Your reviews say both. {first}"),
    ("Vegan?", "is {product} vegan"),
    (
        "Waterproof?",
        "Is the {product} really waterproof or just water repellent? I'd use it on a bike in the rain every day.",
    ),
    ("Weight", "What does the {product} weigh in size {size}? I count grams, sorry :-) Regards {name}"),
    ("Care", "How do I care for the {product}? I've got wool wash from you, can I use that?"),
    ("Made where?", "Good evening, where is the {product} made? It matters to me. Thank you."),
    (
        "Difference",
        "What is the difference between the {product} and the one you had last year? Looks the same to me but costs more.",
    ),
    ("Gift", "I want to give the {product} to my mother. Do you do gift wrapping, and can the invoice be sent to me?"),
    ("Compatible?", "Does a standard screw-on gas cartridge fit? I mean for the {product}."),
    ("Spare parts", "Can I buy a single replacement part for the {product}? Mine lost its clip."),
    ("Temperature", "Would the {product} be warm enough for a night at about 3 degrees? My wife is always cold."),
    (
        "Kids",
        "Our daughter is five and tall for her age, 118 cm. Which size for the {product}, so that it lasts more than one winter?",
    ),
    ("Colour", "Is the moss more green or more brown? Hard to tell on the screen. About the {product}."),
    ("Insoles", "Can the insoles of the {product} be taken out? I wear orthotics."),
    (
        "Allergy",
        "I react to lanolin. Is the wool of the {product} treated? Would like to know before I buy. Best, {first}",
    ),
    ("Dishwasher", "can the {product} go in the dishwasher?"),
];

const REFUND: [(&str, &str); 10] = [
    (
        "Refund",
        "I sent back the {product} two weeks ago and have not got my money. Order {number}. When can I expect it?",
    ),
    (
        "Where is my refund",
        "Tracking shows that you received my return for {number} on {weekday}. No refund yet. {first}",
    ),
    ("Return received?", "Hi, did my return for {number} arrive? I'd like to know before I order the other one."),
    ("Money back", "hello i want my money back for {number}. sent it already"),
    ("Refund to another card", "My card has expired since. How will the refund for {number} reach me?"),
    (
        "Refund amount wrong",
        "You refunded me less than I paid for the {product} (order {number}). I think the shipping is missing. Please check. {name}",
    ),
    ("Return label", "Could you send me a return label for {number}? I changed my mind about the {product}."),
    (
        "Withdrawal",
        "Dear Sir or Madam, I hereby withdraw from the contract for order {number} within fourteen days. Please confirm and refund the full amount. {name}",
    ),
    ("Voucher instead of refund?", "I got a voucher but asked for a refund ({number}). Please change that."),
    (
        "Price dropped",
        "Two days after I bought the {product} it's cheaper. Can you refund the difference? {number}. Would be a nice gesture!",
    ),
];

const ANGRY: [(&str, &str); 10] = [
    (
        "THIRD TIME I'M WRITING",
        "This is the THIRD time I write about {number} and nobody answers. What kind of service is this? I want my money back NOW.",
    ),
    (
        "Unacceptable",
        "I have been a customer for years and this is unacceptable. {days} days for a {product}, then the wrong one, and your chat is a joke. If this isn't settled by tomorrow I'll take it to my bank. {number}",
    ),
    (
        "Never again",
        "Never again. Waited {days} days, took a day off, and the courier just threw a card in. Cancel {number} and don't write me any more newsletters.",
    ),
    (
        "Complaint",
        "I wish to make a formal complaint about order {number}. I was promised a call back twice. I am extremely disappointed. I expect a reply from a manager, not a template. {name}",
    ),
    ("are you kidding me", "are you kidding me?? you sent the SAME broken {product} again!!! order {number}"),
    (
        "Last warning",
        "If I don't have an answer about {number} by Friday, my lawyer will write to you. I have had enough.",
    ),
    (
        "Ridiculous",
        "Ridiculous. 200 euros of goods, a ripped box, and \"please send us a photo\" three times over. I have sent the photo. THREE TIMES. {number}",
    ),
    (
        "Disappointed customer",
        "I'm really upset. It was meant for my father's 70th birthday and now he gets nothing. You ruined that. {number}",
    ),
    (
        "Scam?",
        "Slowly I think this is a scam. Money gone at once, goods nowhere, hotline engaged. {number}. I'm going to post this everywhere.",
    ),
    ("worst support ever", "worst support ever. a robot answers, then silence. I want a HUMAN to look at {number}"),
];

const TECHNICAL: [(&str, &str); 12] = [
    (
        "Code doesn't work",
        "Hi, the code from your newsletter isn't accepted at the checkout. It says \"not valid for this cart\". There's only the {product} in it. {first}",
    ),
    ("Can't log in", "I can't log into my account. The reset mail doesn't arrive, I checked spam too."),
    (
        "Payment failed",
        "The payment by card fails every time with \"something went wrong\", but the bank says everything is fine. I'd like to buy the {product}. Help?",
    ),
    (
        "Charged twice",
        "My card was charged twice for the same cart, I only got one confirmation. Please look into it, {name}",
    ),
    ("Checkout hangs", "your checkout hangs at shipping on my phone. spinner forever. android, chrome"),
    ("Address form", "The form doesn't take my postcode ({city}). It says it's invalid. It isn't, I live here."),
    ("Account deletion", "Please delete my account and all my data. {name}"),
    (
        "Cart empty",
        "Everything I put in my cart yesterday is gone today. Took me an hour to choose. Is it saved somewhere?",
    ),
    ("Website", "The page for the {product} shows an error 500 when I choose {size}. Thought you'd like to know."),
    ("Newsletter", "I've unsubscribed three times and still get the newsletter. Please take me off."),
    (
        "Invoice with VAT number",
        "I need an invoice with our company's VAT number. The account page won't let me change it after the order.",
    ),
    (
        "App",
        "since the update your site logs me out every few minutes. firefox 142 on linux. console says something about a cookie",
    ),
];

const SHIPPING: [(&str, &str); 12] = [
    (
        "Change of address",
        "I've just ordered ({number}) and noticed that it goes to my old flat. Can you change the delivery address, please? It's urgent, we've moved. {name}",
    ),
    ("Express?", "Can {number} be sent by express? I leave on {weekday} and would pay extra. {first}"),
    ("Shipping costs", "Why is shipping 4.90 for {number}? I thought it's free over 50 euros."),
    ("Customs", "Hello from {city}. Do I have to pay customs on {number}? The carrier wants money from me."),
    ("Parcel locker", "Can you deliver {number} to a parcel locker? Nobody is at home during the day."),
    ("Combine orders", "I placed two orders today, the other is {number}. Can you ship them in one parcel?"),
    ("Delivery on Saturday", "Do you deliver on Saturdays? It's about {number}. Regards, {name}"),
    ("Hold my parcel", "We're on holiday for two weeks. Could you hold {number} until we are back? Thanks {first}"),
    (
        "Shipping question",
        "How long does shipping to {city} take? I need the {product} within a week and ordered as {number} just now.",
    ),
    (
        "Customs hold",
        "{number} is stuck in customs, they ask for an invoice with a tariff number. Can you send me one, quickly please?",
    ),
    ("Carrier", "Which carrier brings {number}? With one of them we always have trouble here."),
    (
        "Delivery note",
        "Could you add a note for the courier to {number}: ring at the back door, the front bell is broken. Thanks!",
    ),
];

const CANCEL: [(&str, &str); 6] = [
    ("Cancel my order", "Please cancel {number}, I ordered by mistake. Thanks, {first}"),
    ("cancel", "cancel {number} pls"),
    (
        "Cancellation",
        "Good evening, I'd like to cancel the {product} from {number} but keep the rest. Is that possible? {name}",
    ),
    ("Ordered twice", "I clicked twice and now there are two orders. Please cancel {number}."),
    ("Don't send it", "Found it cheaper elsewhere, please don't send {number}. Sorry!"),
    ("Changed my mind", "Is it too late to cancel {number}? Ordered an hour ago."),
];

const OTHER: [(&str, &str); 8] = [
    (
        "Thank you!",
        "No question, just wanted to say that the {product} is wonderful and that the note in the parcel made me smile. {first}",
    ),
    (
        "Cooperation",
        "Hello, I write a blog on walking in the Alps and would like to talk about working together. Who should I contact? {name}",
    ),
    ("Shop in {city}?", "Do you plan to open a shop in {city}? Would love to try things on."),
    ("Job", "Are you hiring for the warehouse? My cousin told me about you."),
    ("Idea", "Why don't you offer the {product} with a longer strap? Everyone in our club would buy one."),
    ("?", "Is this the right address for questions"),
    (
        "School project",
        "We're a class of ten-year-olds and want to know how a jumper is made. Could somebody show us? Class 4b",
    ),
    ("Fwd: Fwd: Re: as discussed", "as discussed on the phone, please see below. {name}"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_known_and_texts_differ() {
        let mut seen = std::collections::BTreeSet::new();
        for (topic, _) in Topic::ALL {
            assert!(!topic.answers().is_empty());
            for (subject, text) in topic.letters() {
                assert!(seen.insert(*text), "twice: {text}");
                for piece in format!("{subject} {text}").split('{').skip(1) {
                    let slot = piece.split('}').next().expect("a slot");
                    let known = ["number", "days", "first", "name", "product", "size", "city", "weekday"];
                    assert!(known.contains(&slot), "{slot} in {text}");
                    assert!(topic.has_order() || slot != "number", "{topic:?} has no order: {text}");
                }
            }
        }
        assert!(seen.len() > 120, "{}", seen.len());
    }
}
