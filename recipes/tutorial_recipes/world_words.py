"""The words planted worlds are written in: plain English, no names of people, places or works.

Everything here is shared by the three domains unless a table is keyed by domain, so that text
transfers between them.
"""

from __future__ import annotations

# theme: words for titles | things that descriptions are about | where it happens. Title words
# belong to one theme only.
THEMES = {
    "space": (
        (
            "stellar orbital cosmic lunar galactic astral nebular solar meteoric eclipse comet"
            " gravity zenith starlit planetary satellite twilight vacuum"
        ),
        (
            "drifting satellites,a silent probe,two rival observatories,the last comet,borrowed"
            " starlight,a cracked helmet,zero gravity,lost signals"
        ),
        (
            "beyond the outer moons,on a quiet launch pad,inside a turning station,under a double"
            " sunrise,at the edge of the map"
        ),
    ),
    "ocean": (
        (
            "tidal coral harbor salt reef drifting anchor lagoon current seafoam lighthouse pearl"
            " submarine kelp mariner breakwater sandbar tideline"
        ),
        (
            "a stranded whale,old lighthouse keepers,flooded charts,a bottle of letters,fishing"
            " nets,the turning tide,a sunken bell,gull colonies"
        ),
        (
            "below the breakwater,along the salt coast,on a leaking ferry,in the harbor fog,past"
            " the last buoy"
        ),
    ),
    "forest": (
        (
            "mossy cedar fern thicket antler birch acorn canopy mushroom woodland bramble hollow"
            " owl timber lichen foxglove badger root"
        ),
        (
            "fallen timber,a hidden orchard,nesting owls,forgotten trails,a fox and its shadow,wild"
            " mushrooms,ring-shaped clearings,old roots"
        ),
        (
            "under the tall cedars,deep in the thicket,beside a mossy well,at the ranger"
            " hut,between two ridges"
        ),
    ),
    "desert": (
        (
            "dune mirage cactus dust oasis caravan sandstone canyon scorpion sunbaked mesa arid"
            " drought nomad adobe thirsty saffron horizon"
        ),
        (
            "a dry riverbed,buried wells,a stubborn camel,wandering dunes,painted stones,a broken"
            " compass,heat and silence,night markets"
        ),
        (
            "across the red plain,at a ruined oasis,behind the canyon wall,on the caravan"
            " road,where the rain never lands"
        ),
    ),
    "winter": (
        (
            "frosted glacier snowy icicle blizzard sleigh frozen avalanche mitten thaw snowbound"
            " arctic flurry woolen igloo hailstone polar sled"
        ),
        (
            "frozen rivers,a stuck cable car,sled dogs,the first thaw,wool and wax,a long"
            " blizzard,tracks in the snow,warm windows"
        ),
        "above the snow line,in a mountain hut,on the thin ice,under the polar sky,after the storm",
    ),
    "kitchen": (
        (
            "buttered peppered spiced crumbed kettle simmering braised toasted pickled caramel"
            " bakery noodle skillet pantry sourdough orchard marmalade ladle"
        ),
        (
            "handed-down recipes,burnt sugar,a rival bakery,fresh bread,a secret broth,market"
            " mornings,overripe plums,the perfect dough"
        ),
        (
            "behind the bakery counter,at a crowded table,in a tiny kitchen,beside the old oven,on"
            " market day"
        ),
    ),
    "music": (
        (
            "chord tempo ballad rhythm sonata echoing brass velvet encore chorus cello drumming"
            " lullaby waltz melodic harmony vinyl octave"
        ),
        (
            "an unfinished waltz,street drummers,a borrowed cello,rehearsal rooms,lost recordings,a"
            " choir of strangers,one wrong note,radio nights"
        ),
        (
            "in the back row,on the festival stage,below the concert hall,in a basement"
            " studio,before the encore"
        ),
    ),
    "sport": (
        (
            "sprinting relay summit racket arena marathon hurdle rowing pedal trophy overtime rally"
            " climbing goalpost sideline champion stadium paddle"
        ),
        (
            "a patched-up team,the final lap,early training,worn-out shoes,a disputed goal,a"
            " retired champion,steep climbs,friendly rivals"
        ),
        (
            "on the home stretch,in an empty stadium,at the starting line,on the wet track,up the"
            " north face"
        ),
    ),
    "mystery": (
        (
            "cipher riddle clue locked vanished hidden masked coded secretive whispered forged"
            " missing phantom puzzling footprint alibi decoy keyhole"
        ),
        (
            "a missing ledger,forged paintings,coded postcards,an empty safe,false witnesses,a"
            " locked room,two identical keys,the third letter"
        ),
        (
            "behind the locked door,on the night train,in the archive cellar,at the masked"
            " ball,after the lights went out"
        ),
    ),
    "machine": (
        (
            "geared piston circuit riveted turbine copper steam robotic clockwork magnetic engine"
            " welded spring hydraulic mechanical motor cogwheel lever"
        ),
        (
            "runaway engines,a patient robot,spare parts,tiny motors,the night shift,a clock"
            " without hands,rusty bolts,self-made tools"
        ),
        (
            "on the factory floor,inside the engine room,in a rented garage,below the power"
            " station,beside the conveyor"
        ),
    ),
    "garden": (
        (
            "blooming tulip trellis compost greenhouse seedling petal hedgerow sunflower beehive"
            " pruned watering blossom sparrow vineyard clover gardening dandelion"
        ),
        (
            "climbing beans,a greedy snail,prize pumpkins,shared allotments,wild bees,rain"
            " barrels,a stubborn hedge,late roses"
        ),
        (
            "behind the greenhouse,over the garden wall,in the vegetable rows,on a tiny"
            " balcony,between the beehives"
        ),
    ),
    "city": (
        (
            "neon rooftop subway alley downtown skyline concrete metropolitan crosswalk lamplit"
            " boulevard skyscraper midnight corner tramway elevator graffiti pavement"
        ),
        (
            "rooftop neighbors,the last tram,a noisy courtyard,painted walls,lost umbrellas,corner"
            " shops,a blackout,night buses"
        ),
        (
            "above the rooftops,in the old quarter,at the busiest corner,under the railway arch,on"
            " the fourteenth floor"
        ),
    ),
    "stage": (
        (
            "theatrical curtain spotlight puppet costumed dramatic backstage scripted rehearsed"
            " juggling circus velveteen applauding improvised mime limelit prompter masquerade"
        ),
        (
            "a travelling circus,broken puppets,stage fright,an understudy,paper costumes,the"
            " missing script,one last curtain,a trapdoor"
        ),
        "behind the curtain,in the cheap seats,on opening night,below the stage,in a striped tent",
    ),
    "castle": (
        (
            "royal medieval knightly moated armored heraldic feudal tower throned jousting crowned"
            " drawbridge dungeon tapestry banner chivalric turret scroll"
        ),
        (
            "a disputed crown,stone stairs,a clumsy knight,old banners,a secret passage,royal"
            " cooks,the blacksmith guild,a long siege"
        ),
        (
            "behind the castle gate,in the tower room,along the ramparts,at the winter court,across"
            " the drawbridge"
        ),
    ),
    "journey": (
        (
            "wandering passport luggage railway detour hitchhiking ferry signpost border compass"
            " roadside voyage departing overnight airfield milestone suitcase itinerary"
        ),
        (
            "a missed train,two heavy suitcases,borrowed maps,wrong turns,a slow ferry,strangers in"
            " a compartment,postcards home,the long way back"
        ),
        (
            "at the last station,on the coast road,in a waiting room,across three borders,between"
            " two airports"
        ),
    ),
    "laboratory": (
        (
            "atomic chemical microscopic quantum electric genetic crystalline experimental"
            " molecular thermal laser magnified isotope enzyme pendulum catalytic spectral"
            " bacterial"
        ),
        (
            "a failed experiment,glowing algae,peer reviewers,mislabelled samples,a stubborn"
            " equation,lab mice,the missing decimal,cold fusion claims"
        ),
        (
            "in the basement lab,under the microscope,at the research station,behind safety"
            " glass,during the night run"
        ),
    ),
}

# mood: adjectives, each in one mood only
MOODS = {
    "bright": "cheerful sunny radiant playful hopeful lively golden gleaming",
    "dark": "grim shadowy brooding somber haunted bleak ominous gloomy",
    "quiet": "gentle hushed calm patient slow peaceful silent modest",
    "wild": "restless furious stormy untamed roaring feverish reckless savage",
    "tender": "loving warm heartfelt fond sweet delicate affectionate soft",
    "sharp": "witty clever cutting precise brisk ironic keen crisp",
    "strange": "uncanny curious dreamlike odd surreal peculiar crooked eerie",
    "grand": "epic sweeping mighty towering majestic vast heroic splendid",
}

# domain: second category ("form") -> title nouns, each in one form only
FORMS = {
    "movies": {
        "drama": "promise inheritance farewell homecoming confession verdict",
        "comedy": "wedding mishap roommate vacation disguise reunion",
        "thriller": "chase ambush hostage countdown witness conspiracy",
        "documentary": "archive portrait testimony expedition survey memoir",
        "adventure": "quest treasure escape crossing rescue frontier",
        "romance": "kiss serenade courtship heart valentine embrace",
        "fable": "legend dream tale wish enchantment lantern",
        "saga": "dynasty kingdom rebellion generation empire destiny",
    },
    "products": {
        "lighting": "lamp candle nightlight chandelier flashlight torch",
        "clothing": "jacket scarf sweater raincoat apron slippers",
        "tableware": "mug teapot bowl platter pitcher tumbler",
        "audio": "speaker headphones radio turntable microphone earbuds",
        "stationery": "notebook calendar sketchbook pencil planner envelope",
        "toys": "puzzle kite marbles dollhouse yoyo blocks",
        "furniture": "chair bookshelf stool hammock desk cushion",
        "outdoors": "backpack tent thermos hatchet binoculars canteen",
    },
    "news": {
        "politics": "vote council petition debate ballot reform",
        "economy": "merger strike budget tariff export bankruptcy",
        "culture": "festival exhibition premiere award revival museum",
        "health": "vaccine outbreak clinic therapy allergy diet",
        "weather": "flood forecast heatwave drizzle hurricane fogbank",
        "crime": "burglary fraud trial arrest smuggling heist",
        "technology": "launch prototype patent outage update invention",
        "community": "volunteer shelter fundraiser parade playground neighborhood",
    },
}

SERIES = {
    "movies": "chronicles trilogy cycle files nights tales sequence diaries sagas stories".split(),
    "products": "collection range edition line set workshop craft studio basics essentials".split(),
    "news": (
        "dossier inquiry watch briefing monitor notebook debates papers bulletin updates".split()
    ),
}
MAKERS = {
    "movies": "pictures studio films cinema productions".split(),
    "products": "workshop goods supply makers company".split(),
    "news": "gazette courier tribune press wire".split(),
}
SYLLABLES = (
    "ba bel cor dra fen gal hol ith jur kel lum mor nav oru pel quil rov sul tav und vel wyn xan"
    " yor zem".split(),
    "a e i o u".split(),
    "dan fell gard lith mere nost pond rick stow thorpe vane wick".split(),
)

HEROES = (
    "two retired surveyors,estranged sisters,a pair of nervous apprentices,honest smugglers,tired"
    " detectives,three cousins,young archivists,stubborn widows,exiled inventors,the night"
    " porters,two runaway clerks,aging acrobats,village doctors,lonely translators,four old"
    " classmates,disgraced pilots"
).split(",")  # all plural, so that every verb fits
HERO_VERBS = (
    "pursue,protect,stumble upon,inherit,dream of,bargain over,hide,unravel,gamble on,grow up"
    " with,argue about,mourn,celebrate,run from"
).split(",")
HARD_MATERIALS = (
    "brushed steel,recycled glass,oiled walnut,glazed clay,bamboo,cast iron,cork,tinted"
    " acrylic,polished stone,light aluminium".split(",")
)
SOFT_MATERIALS = (
    "soft linen,waxed canvas,bamboo fibre,felted wool,organic cotton,smooth leather,woven"
    " straw,quilted nylon,brushed flannel,knitted hemp"
).split(",")
SOFT_FORMS = ("clothing", "outdoors")  # products made of soft materials
USES = (
    "long evenings,small apartments,early risers,rainy weekends,busy families,careful"
    " collectors,weekend trips,shared desks,first homes,slow breakfasts,late readers,crowded"
    " shelves,picnics,quiet corners,birthday presents,daily commutes"
).split(",")
ACTORS = (
    "local officials,a dozen pensioners,union members,regional planners,two research teams,shop"
    " owners,school boards,independent experts,farmers,student volunteers,transport"
    " officers,worried citizens,rescue crews,tenants,small investors,museum curators"
).split(",")
NEWS_VERBS = (
    "question,welcome,postpone,investigate,defend,reject,explain,restore,warn about,raise money"
    " for,count,compare,rediscover,split over"
).split(",")

WHO = {"movies": HEROES, "products": USES, "news": ACTORS}
DOES = {"movies": HERO_VERBS, "products": ("",), "news": NEWS_VERBS}
DESCRIPTIONS = {
    "movies": (
        "{a_tone} {form} in which {who} {does} {first} {place}.",
        "{a_tone} {form} about {first} and {second}, set {place}.",
        "Where {who} {does} {first}, {a_tone} {form} unfolds {place}.",
    ),
    "products": (
        "{a_tone} piece of {form} in {material} for {who}, inspired by {first} {place}.",
        "Made of {material} with a {theme} pattern of {first}: {a_tone} choice for {who}.",
        "{theme} {form} for {who}, {tone} in look and made of {material}.",
    ),
    "news": (
        "{who} {does} {first} {place}, in {a_tone} turn for {theme} {form}.",
        "{a_tone} story on {form}: {who} {does} {first} and {second}.",
        "The {form} desk reports {place}, where {who} {does} {first} in {a_tone} debate.",
    ),
}

# named features that reviews speak about; those in PLURAL take "are"
FEATURES = {
    "movies": (
        "pacing acting soundtrack dialogue ending photography plot humor editing scenery".split()
    ),
    "products": (
        "sturdiness comfort color packaging weight finish battery size stitching price".split()
    ),
    "news": (
        "sourcing balance headline depth clarity photos timeliness background tone figures".split()
    ),
}
PLURAL = ("photos", "figures")
OPINIONS = {
    "positive": (
        (
            "excellent,a delight,better than expected,flawless,very good,wonderfully"
            " done,impressive,first-rate,spot on,a pleasure,beautifully judged,outstanding,solid"
            " throughout,reason enough to recommend it,remarkably good,superb"
        ).split(",")
    ),
    "mixed": (
        (
            "acceptable,fine but forgettable,uneven,all right,neither good nor bad,decent in"
            " parts,average,passable,nothing special,hit and miss,reasonable,ordinary"
        ).split(",")
    ),
    "negative": (
        (
            "disappointing,a mess,careless,far too weak,poor,badly done,hard to forgive,the worst"
            " part,annoying,below standard,sloppy,a real letdown,dreadful,not worth the"
            " trouble,tiresome,shoddy"
        ).split(",")
    ),
}
OPENINGS = {
    "positive": (
        (
            "Loved it,Highly recommended,A rare find,I was hooked at once,Exactly my taste,What a"
            " surprise,Five minutes and I was sold,This made my week,Simply great,I keep coming"
            " back to this"
        ).split(",")
    ),
    "mixed": (
        (
            "Not sure what to think,Somewhere in the middle,I expected more,It has its moments,Half"
            " convinced,Could go either way,Fair enough,Good idea with a few problems"
        ).split(",")
    ),
    "negative": (
        (
            "Sadly a miss,I regret this one,Avoid it,Not for me,What a waste of time,I gave up"
            " early,Very let down,I wanted to like it but could not,Never again"
        ).split(",")
    ),
}
CLOSINGS = {
    "positive": (
        (
            "I would choose it again.,My friends agree.,More like this please.,It stays with"
            " you.,Worth every minute.,Already told everyone about it."
        ).split(",")
    ),
    "mixed": (
        "Maybe on another day.,Borrow it first.,I might give the next one a chance.,Judge for"
        " yourself.,It does the job.".split(",")
    ),
    "negative": (
        "Look elsewhere.,I would not repeat it.,Save your time.,There are better choices.,I want"
        " that evening back.".split(",")
    ),
}
CONTEXTS = {
    "movies": (
        (
            "watched on a rainy evening,seen with my neighbors,picked for our film club,seen twice"
            " in a row,started it on a whim,saw it late at night"
        ).split(",")
    ),
    "products": (
        (
            "bought as a gift,used daily for a month,replaced my old one,ordered on a whim,tested"
            " on a long trip,shared it with the whole household"
        ).split(",")
    ),
    "news": (
        (
            "read over breakfast,read it on the train,sent to me by a colleague,compared with other"
            " coverage,read to the last line,skimmed it at lunch"
        ).split(",")
    ),
}
