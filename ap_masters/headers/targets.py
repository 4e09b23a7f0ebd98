"""Names of targets with the word 'dark' in them: the Dark Shark, the Dark Tower and the Dark Wolf are no darks."""

import re
from itertools import pairwise
from typing import Final

from ap_masters.headers.frame_types import is_type_word, words

# What follows the word in the names of dark frames; shorter words are units and filters, and those with digits
# ('ASI2600', 'M31') are cameras, counters, or targets that the darks are for.
_USUAL: Final = frozenset(
    words(
        # what it is, and what is made of it
        "frame frames field fields image images exposure exposures exp exptime sub subs raw raws capture captures "
        "shot shots file files fit fits xisf master masters library lib run batch group sequence set sets series "
        "stack stacked calibration calib cal cals current "
        # how it was taken
        "sec secs second seconds min mins minute minutes gain iso offset temp temperature ccd settemp deg degree "
        "degrees bin binning xbinning usb usblimit readout readoutm mode high low normal fast slow hcg lcg noise full "
        "half crop cooled uncooled cooler cold warm ambient indoors fridge amp glow cap capped cover covered lid "
        "closed slot shutter filter instrume telescop none lum luminance red green blue clear mono osc rgb color "
        "colour type "
        # which one, and when
        "new old all good bad test first last best long short matched session sessions night day date evening morning "
        "spring summer autumn fall winter january february march april may june july august september october "
        "november december jan feb mar apr jun jul aug sep sept oct nov dec "
        # of what
        "for from with without and the before after camera cam main guide zwo asi qhy qhyccd canon nikon sony fuji "
        "pentax atik sbig fli moravian apogee touptek toupcam player playerone altair svbony omegon ogma risingcam "
        "meade celestron starlight sxvr dslr seestar dwarf asiair"
    )
)
_PART: Final = re.compile(r"[^\W_]+")


def may_be_a_target(name: str, *known: str | None) -> bool:
    """Return whether 'dark' in a name may be an adjective: in the singular, before a word that says nothing of a dark.

    The words of ``known``, which the header states of camera and filter, are nobody's name.
    """
    usual = {word for text in known if text for word in words(text)}
    row = [(word, part.isalpha()) for part in _PART.findall(name) for word in words(part)]
    return any(
        word == "dark" and plain and len(noun) > 2 and not (noun in _USUAL or noun in usual or is_type_word(noun))
        for (word, _), (noun, plain) in pairwise(row)
    )
