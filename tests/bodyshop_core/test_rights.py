from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bodyshop_core.imaging import read_header

ARTIST, COPYRIGHT = 0x013B, 0x8298
XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:creator><rdf:Seq><rdf:li>Kim &amp; Söhne</rdf:li><rdf:li>이영희</rdf:li></rdf:Seq></dc:creator>
<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">(c) 2024 Kim</rdf:li></rdf:Alt></dc:rights>
</rdf:Description></rdf:RDF></x:xmpmeta>""".encode()


def saved(kind="JPEG", **options):
    out = io.BytesIO()
    Image.new("RGB", (40, 30)).save(out, kind, **options)
    return out.getvalue()


def exif(**tags):
    made = Image.Exif()
    for name, value in tags.items():
        made[{"artist": ARTIST, "copyright": COPYRIGHT}[name]] = value
    return made


def iptc(*datasets):
    return b"".join(b"\x1c\x02" + bytes((n,)) + len(v).to_bytes(2, "big") + v for n, v in datasets)


def with_iptc(jpeg, data):
    """Put an APP13 segment behind the start of a JPEG, as Photoshop writes it."""
    block = b"8BIM\x04\x04\x00\x00" + len(data).to_bytes(4, "big") + data + b"\0" * (len(data) % 2)
    body = b"Photoshop 3.0\x00" + block
    return jpeg[:2] + b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


def said(data):
    facts = read_header(data)
    return facts["artist"], facts["copyright"]


def test_picture_that_says_nothing_has_neither():
    assert said(saved()) == (None, None)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_names_artist_and_both_holders(kind):
    data = saved(kind, exif=exif(artist="Jo Photo", copyright="Jo Photo\0Press Inc."))
    assert said(data) == ("Jo Photo", "Jo Photo, Press Inc.")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_xmp_names_creators_and_rights(kind):
    options = {"xmp": XMP}
    if kind == "PNG":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options = {"pnginfo": info}
    assert said(saved(kind, **options)) == ("Kim & Söhne, 이영희", "(c) 2024 Kim")


def test_iptc_of_a_press_picture_is_read():
    data = iptc((80, "Köhler".encode("latin-1")), (105, b"A headline"), (116, "© 현대".encode()))
    assert said(with_iptc(saved(), data)) == ("Köhler", "© 현대")


def test_exif_is_believed_before_xmp_and_iptc():
    data = with_iptc(saved(exif=exif(artist="Exif"), xmp=XMP), iptc((80, b"Iptc"), (116, b"Iptc")))
    assert said(data) == ("Exif", "(c) 2024 Kim")


def test_text_is_one_short_line_with_no_control_characters():
    long = "a\x07b\n\tc\u202e" + "x" * 9000
    info = PngInfo()
    info.add_itxt("Author", long)
    assert said(saved("PNG", pnginfo=info))[0] == "a b c" + "x" * 495


@given(st.binary(max_size=300))
def test_broken_metadata_never_cost_the_picture(noise):
    broken = with_iptc(
        saved(exif=b"Exif\0\0" + noise, xmp=b"<dc:creator>" + noise), b"\x1c\x02" + noise
    )
    facts = read_header(broken)
    assert (facts["width"], facts["height"]) == (40, 30)
    for text in (facts["artist"], facts["copyright"]):
        assert text is None or text.isprintable()
