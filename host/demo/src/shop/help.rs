//! The articles of the shop's help centre.

use shopwright_model::entity::ArticleDoc;

const ARTICLES: [(&str, &str, &str); 26] = [
    (
        "delivery-times",
        "How long does delivery take?",
        "Orders placed before 14:00 on a working day usually leave our warehouse the next day. Delivery takes 2 to 4 working days within Germany, Austria, France, Ireland and the United Kingdom, 3 to 6 working days to Sweden and 6 to 10 working days to the United States. Around the winter sale and before Christmas please allow two more days.",
    ),
    (
        "shipping-costs",
        "What does shipping cost?",
        "Shipping costs 4.90 euros. It is free for orders of 50 euros and more, after discounts. Express delivery on the next working day costs 14.90 euros and can be chosen at the checkout in Germany and Austria. Deliveries to the United States cost 19.90 euros; duties are included.",
    ),
    (
        "track-order",
        "How can I track my order?",
        "As soon as your parcel leaves our warehouse you get an e-mail with the tracking number and a link to the carrier. You find the same link in your account under Orders. It can take up to a day until the carrier shows the first scan. If nothing moves for four working days, please write to us.",
    ),
    (
        "change-address",
        "Can I change the delivery address?",
        "Until your order is packed we can change the address: write to us at once with the order number and the new address. Once the parcel is on its way, use the carrier's own redirect service; the link is in the tracking e-mail.",
    ),
    (
        "parcel-missing",
        "My parcel is marked as delivered but I do not have it",
        "Please look at the delivery note of the carrier, ask your neighbours and check places where a parcel could be left. If it does not turn up within one working day, write to us with the order number. We open a trace with the carrier and, if the parcel is lost, send a new one or refund you.",
    ),
    (
        "returns",
        "How do I return something?",
        "You can return unused things within 30 days. Open Returns in your account, choose the items and print the label, or show the QR code at the parcel shop. Returns are free in Germany and Austria; in other countries we keep 4.90 euros from the refund. Please send things back clean, with their tags.",
    ),
    (
        "exchange",
        "How do I exchange for another size or colour?",
        "Choose Exchange instead of Refund in the returns form and pick the size or colour you want. We put it aside for you and send it as soon as the carrier has scanned your parcel. Exchanges are free in every country. If the size is sold out you get a refund.",
    ),
    (
        "refund-time",
        "When do I get my refund?",
        "We check returns within three working days of their arrival and send you an e-mail. The money goes back the way you paid: cards take 3 to 5 working days, bank transfers 2 days, invoices are corrected at once. If more than two weeks have passed since your parcel reached us, please write to us.",
    ),
    (
        "size-clothing",
        "Which size should I order? Clothing",
        "Our jackets, jumpers and shirts follow European sizes: S is a chest of 88 to 94 cm, M 94 to 102 cm, L 102 to 110 cm, XL 110 to 118 cm. Knitwear runs true to size. Rain jackets are cut to fit over a jumper. If you are between two sizes and like it close, take the smaller one.",
    ),
    (
        "size-shoes",
        "Which size should I order? Shoes",
        "Measure your foot in the evening, standing, from heel to the longest toe, and add 10 mm for hiking boots or 6 mm for everyday shoes. 26.5 cm is size 42. Our hiking boots run half a size small. Wide fit models are marked on the product page. Insoles can be taken out in all our boots.",
    ),
    (
        "size-kids",
        "Which size should I order? Children",
        "Children's sizes are body heights in cm. Leave up to one size of room to grow: for a child of 118 cm choose 122/128. Rain suits and mud trousers have adjustable straps and last about two winters.",
    ),
    (
        "wool-care",
        "How do I wash wool?",
        "Air it first: wool cleans itself overnight. If it needs washing, use the wool programme at 30 degrees, a wool detergent without enzymes, and no softener. Do not tumble dry. Pull it into shape and dry it flat. Pilling in the first weeks is normal and can be combed off.",
    ),
    (
        "down-care",
        "How do I wash down jackets and sleeping bags?",
        "Wash down at 30 degrees with a detergent for down, with little spin, and rinse twice. Tumble dry on low with three tennis balls until no lumps are left; this takes two to three hours. Never dry clean. Store sleeping bags loose, not in their sack.",
    ),
    (
        "waterproofing",
        "Waterproof or water repellent?",
        "Waterproof things have sealed seams and a membrane with a water column of at least 10,000 mm: they keep you dry in hours of rain. Water repellent things shed a shower. If water no longer beads on the outside, wash the jacket and treat it with a waterproofing spray; all of ours are free of PFAS.",
    ),
    (
        "leather-care",
        "How do I care for leather boots?",
        "Brush off mud while it is wet, let boots dry away from heat with newspaper inside, and rub in leather balm when the leather looks pale. Do not use balm on suede. Most of our boots can be resoled; see Repairs.",
    ),
    (
        "repairs",
        "Do you repair things?",
        "Yes, for as long as you own them. Zips, straps, seams and soles are repaired in our own workshop in Hamburg. Within two years faults are repaired at no cost, after that we tell you the price first. Fill in the repair form and send the thing in clean. Repairs take two to three weeks.",
    ),
    (
        "warranty",
        "Something broke: what about the warranty?",
        "For two years you have the legal warranty: if something is faulty we repair it, replace it or refund it, as you like. Please send us a picture and the order number. Wear and tear is not covered, but we will nearly always find a way to mend it.",
    ),
    (
        "damaged-parcel",
        "My parcel arrived damaged",
        "Please take a picture of the box and of the damaged thing and write to us with the order number within seven days. You get a replacement or your money, as you like, and need not send broken glass or stoneware back.",
    ),
    (
        "payment",
        "How can I pay?",
        "By card, by bank transfer in advance, by invoice (Germany and Austria, up to 300 euros) and with the usual wallets. Your card is charged when the order is placed. If a payment fails, nothing is charged; a reservation disappears within a few days.",
    ),
    (
        "charged-twice",
        "I was charged twice",
        "Usually the second amount is a reservation of a payment that failed and disappears within five working days. If both amounts are booked, send us the dates and the last four digits of the card, never the whole number.",
    ),
    (
        "discount-codes",
        "My discount code does not work",
        "Each code can be used once and not together with others. Codes do not apply to sale items, gift cards and repair parts. Personal codes work only with the e-mail address they were sent to. Look at the date: time-limited codes end at midnight, Berlin time.",
    ),
    (
        "account",
        "I cannot log in",
        "Use Forgot password on the login page; the e-mail comes within five minutes and is valid for one hour. Please check the spam folder. Guest orders have no account: write to us and we will add them to one. To delete your account and your data, write to us; it is done within a month.",
    ),
    (
        "cancel-order",
        "Can I cancel my order?",
        "Until an order is packed, yes: write to us at once with the order number. Once it is packed it cannot be stopped; refuse the parcel or return it and you get your money back.",
    ),
    (
        "back-in-stock",
        "When will it be available again?",
        "On every sold-out product there is a button Tell me: we send one e-mail when your size is back. Staples come back within six weeks; seasonal colours usually do not. The expected date is shown where we know it.",
    ),
    (
        "materials",
        "Materials, origin and animal welfare",
        "The product page lists every material and the place of manufacture. Our wool is mulesing-free, our down is from certified farms and never live-plucked. Vegan products are marked. We do not sell fur; sheepskins are from European farms that keep sheep for food.",
    ),
    (
        "gift",
        "Gift wrapping and gift cards",
        "Choose This is a gift in the cart: we wrap it in paper, leave out the invoice and add your note, at no cost. Gift cards come by e-mail at once and are valid for three years. Gifts can be exchanged until 31 January if bought from November on.",
    ),
];

/// All articles.
#[must_use]
pub fn articles() -> Vec<ArticleDoc> {
    ARTICLES
        .iter()
        .map(|(id, title, text)| ArticleDoc {
            id: (*id).into(),
            title: (*title).into(),
            text: (*text).into(),
            url: format!("https://{}/help/{id}", super::DOMAIN),
        })
        .collect()
}
