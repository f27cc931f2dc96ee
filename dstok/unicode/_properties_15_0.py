# GENERATED, do not edit. Written by: python unicode_tables/generate_properties.py --unicode 15.0
# Data: Unicode Character Database 15.0, (c) Unicode, Inc., under the Unicode License V3.
# sha256 of the inputs in unicode_tables/properties:
#   c8681a9d49e7a73af770f099271bf0693cc44c5b5704b84204056ff5ace6022b  16.0/scripts.txt
#   583a79746c3ed021cadce3570c3e033e24d80c42ec2b1b771581e61795e0b2c2  16.0/script_extensions.txt
#   a3575efa0d82cb63fbf98d0aa8dbe40a4dd35e7f7acb37c5c97c6495cf52ee8a  16.0/binary.txt
#   c15cee5f563f1e54b3ac79b4d21ffc590696b961d3c36ec6076a9defd21ad0c0  15.0/scripts.txt
#   a4ebb866e502a3f1629d139a74d668afe5c63efd7279d2ca4aa3977077b49d9f  15.0/script_extensions.txt
#   36c7f1b5aea1838d710c52a1811fd3b25b1a28c22632b71e12cb426f8446f3ef  15.0/binary.txt
"""Unicode 15.0: scripts, script extensions and binary properties; decoded by dstok/unicode/properties.py.

By name: inclusive ranges in hexadecimal, "first-last", or "first" alone.
Sets that differ from those of 16.0: the code points that only one of the two versions has.
ABSENT: names that only 16.0 has. ALIASES: further names of the scripts that 16.0 has not.
"""

BASE = "16.0"

ABSENT = {
    "SCRIPTS": "Garay Gurung_Khema Kirat_Rai Ol_Onal Sunuwar Todhri Tulu_Tigalari",
    "SCRIPT_EXTENSIONS": "Garay Gurung_Khema Kirat_Rai Ol_Onal Sunuwar Todhri Tulu_Tigalari",
    "BINARY": "",
}

SCRIPTS = {
    "Arabic": (
        "897 10EC2-10EC4 10EFC"
    ),
    "Balinese": (
        "1B4E-1B4F 1B7F"
    ),
    "Common": (
        "2427-2429 2FFC-2FFF 31E4-31E5 31EF 1CC00-1CCF9 1CD00-1CEB3 1F8B2-1F8BB 1F8C0-1F8C1 1FA89 1FA8F 1FABE "
        "1FAC6 1FADC 1FADF 1FAE9 1FBCB-1FBEF"
    ),
    "Cyrillic": (
        "1C89-1C8A"
    ),
    "Egyptian_Hieroglyphs": (
        "13460-143FA"
    ),
    "Han": (
        "2EBF0-2EE5D"
    ),
    "Kawi": (
        "11F5A"
    ),
    "Khitan_Small_Script": (
        "18CFF"
    ),
    "Latin": (
        "A7CB-A7CD A7DA-A7DC"
    ),
    "Myanmar": (
        "116D0-116E3"
    ),
    "Unknown": (
        "897 1B4E-1B4F 1B7F 1C89-1C8A 2427-2429 2FFC-2FFF 31E4-31E5 31EF A7CB-A7CD A7DA-A7DC 105C0-105F3 "
        "10D40-10D65 10D69-10D85 10D8E-10D8F 10EC2-10EC4 10EFC 11380-11389 1138B 1138E 11390-113B5 113B7-113C0 "
        "113C2 113C5 113C7-113CA 113CC-113D5 113D7-113D8 113E1-113E2 116D0-116E3 11BC0-11BE1 11BF0-11BF9 11F5A "
        "13460-143FA 16100-16139 16D40-16D79 18CFF 1CC00-1CCF9 1CD00-1CEB3 1E5D0-1E5FA 1E5FF 1F8B2-1F8BB "
        "1F8C0-1F8C1 1FA89 1FA8F 1FABE 1FAC6 1FADC 1FADF 1FAE9 1FBCB-1FBEF 2EBF0-2EE5D"
    ),
}

SCRIPT_EXTENSIONS = {
    "Adlam": (
        "204F 2E41"
    ),
    "Arabic": (
        "897 204F 2E41 10EC2-10EC4 10EFC"
    ),
    "Armenian": (
        "308"
    ),
    "Avestan": (
        "B7 2E30-2E31"
    ),
    "Balinese": (
        "1B4E-1B4F 1B7F"
    ),
    "Bengali": (
        "2BC"
    ),
    "Bopomofo": (
        "2C7 2C9-2CB 2D9"
    ),
    "Carian": (
        "B7 205A 205D 2E31"
    ),
    "Caucasian_Albanian": (
        "304 331 35E"
    ),
    "Cherokee": (
        "300-302 304 30B-30C 323-324 330-331"
    ),
    "Common": (
        "B7 2BC 2C7 2C9-2CB 2CD 2D7 2D9 374 16EB-16ED 204F 205A 205D 2427-2429 2E17 2E30-2E31 2E3C 2E41 2FF0-2FFB "
        "1CC00-1CCF9 1CD00-1CEB3 1F8B2-1F8BB 1F8C0-1F8C1 1FA89 1FA8F 1FABE 1FAC6 1FADC 1FADF 1FAE9 1FBCB-1FBEF"
    ),
    "Coptic": (
        "B7 300 304-305 307 374-375 2E17"
    ),
    "Cyrillic": (
        "2BC 300-302 304 306 308 30B 311 1C89-1C8A"
    ),
    "Devanagari": (
        "2BC"
    ),
    "Duployan": (
        "B7 307-308 30A 323-324 2E3C"
    ),
    "Egyptian_Hieroglyphs": (
        "13460-143FA"
    ),
    "Elbasan": (
        "B7 305"
    ),
    "Ethiopic": (
        "30E"
    ),
    "Georgian": (
        "B7 589 205A 2E31"
    ),
    "Glagolitic": (
        "B7 303 305 589 10FB 205A"
    ),
    "Gothic": (
        "B7 304-305 308 331"
    ),
    "Greek": (
        "B7 300-301 304 306 308 313 374 205D"
    ),
    "Gunjala_Gondi": (
        "B7"
    ),
    "Han": (
        "B7 2FF0-2FFF 31E4-31E5 31EF 2EBF0-2EE5D"
    ),
    "Hebrew": (
        "307-308"
    ),
    "Inherited": (
        "300-30E 310-311 313 320 323-325 32D-32E 330-331 358 35E"
    ),
    "Kaithi": (
        "2E31"
    ),
    "Kannada": (
        "1CD3"
    ),
    "Katakana": (
        "305 323"
    ),
    "Kawi": (
        "11F5A"
    ),
    "Khitan_Small_Script": (
        "18CFF"
    ),
    "Latin": (
        "B7 2BC 2C7 2C9-2CB 2CD 2D7 2D9 300-30E 310-311 313 320 323-325 32D-32E 330-331 358 35E 1DF8 2E17 "
        "A7CB-A7CD A7DA-A7DC"
    ),
    "Lisu": (
        "2BC 2CD 300A-300B"
    ),
    "Lycian": (
        "205A"
    ),
    "Lydian": (
        "B7 2E31"
    ),
    "Mahajani": (
        "B7"
    ),
    "Malayalam": (
        "1CF2"
    ),
    "Meroitic_Hieroglyphs": (
        "205D"
    ),
    "Mongolian": (
        "3001-3002 3008-300B"
    ),
    "Myanmar": (
        "116D0-116E3"
    ),
    "Old_Hungarian": (
        "205A 205D 2E31 2E41"
    ),
    "Old_Permic": (
        "B7 300 306-308 313"
    ),
    "Old_Turkic": (
        "205A 2E30"
    ),
    "Osage": (
        "301 304 30B 358"
    ),
    "Phags_Pa": (
        "202F 3002"
    ),
    "Runic": (
        "16EB-16ED"
    ),
    "Samaritan": (
        "2E31"
    ),
    "Sharada": (
        "A830-A835 A838"
    ),
    "Shavian": (
        "B7"
    ),
    "Sinhala": (
        "1CF2"
    ),
    "Syriac": (
        "303-304 307-308 30A 320 323-325 32D-32E 330"
    ),
    "Tai_Le": (
        "300-301 307-308 30C"
    ),
    "Tangut": (
        "2FF0-2FFF 31EF"
    ),
    "Thai": (
        "2BC 2D7 303 331"
    ),
    "Tibetan": (
        "3008-300B"
    ),
    "Tifinagh": (
        "302 304 307 309"
    ),
    "Toto": (
        "2BC"
    ),
    "Unknown": (
        "897 1B4E-1B4F 1B7F 1C89-1C8A 2427-2429 2FFC-2FFF 31E4-31E5 31EF A7CB-A7CD A7DA-A7DC 105C0-105F3 "
        "10D40-10D65 10D69-10D85 10D8E-10D8F 10EC2-10EC4 10EFC 11380-11389 1138B 1138E 11390-113B5 113B7-113C0 "
        "113C2 113C5 113C7-113CA 113CC-113D5 113D7-113D8 113E1-113E2 116D0-116E3 11BC0-11BE1 11BF0-11BF9 11F5A "
        "13460-143FA 16100-16139 16D40-16D79 18CFF 1CC00-1CCF9 1CD00-1CEB3 1E5D0-1E5FA 1E5FF 1F8B2-1F8BB "
        "1F8C0-1F8C1 1FA89 1FA8F 1FABE 1FAC6 1FADC 1FADF 1FAE9 1FBCB-1FBEF 2EBF0-2EE5D"
    ),
}

BINARY = {
    "Case_Ignorable": (
        "897 10D4E 10D69-10D6D 10D6F 10EFC 113BB-113C0 113CE 113D0 113D2 113E1-113E2 1171E 11F5A 1611E-16129 "
        "1612D-1612F 16D40-16D42 16D6B-16D6C 1E5EE-1E5EF"
    ),
    "Cased": (
        "1C89-1C8A A7CB-A7CD A7DA-A7DC 10D50-10D65 10D70-10D85"
    ),
    "Changes_When_Casefolded": (
        "1C89 A7CB-A7CC A7DA A7DC 10D50-10D65"
    ),
    "Changes_When_Casemapped": (
        "19B 264 1C89-1C8A A7CB-A7CD A7DA-A7DC 10D50-10D65 10D70-10D85"
    ),
    "Changes_When_Lowercased": (
        "1C89 A7CB-A7CC A7DA A7DC 10D50-10D65"
    ),
    "Changes_When_Titlecased": (
        "19B 264 1C8A A7CD A7DB 10D70-10D85"
    ),
    "Changes_When_Uppercased": (
        "19B 264 1C8A A7CD A7DB 10D70-10D85"
    ),
    "Dash": (
        "10D6E"
    ),
    "Diacritic": (
        "E3A 1734 1A60 1BE6 1BF2-1BF3 A806 A82C 10A38-10A3A 10A3F 10D4E 10D69-10D6D 1133B 113CE-113D0 113D2-113D3 "
        "113E1-113E2 11F41-11F42 11F5A 1612F 16D6B-16D6C 1E5EE-1E5EF"
    ),
    "Emoji": (
        "1FA89 1FA8F 1FABE 1FAC6 1FADC 1FADF 1FAE9"
    ),
    "Emoji_Presentation": (
        "1FA89 1FA8F 1FABE 1FAC6 1FADC 1FADF 1FAE9"
    ),
    "Extender": (
        "A71 AFB 10D4E 10D6A 10D6F 11237 113D2-113D3 1E5EF"
    ),
    "Grapheme_Base": (
        "CC0 CC7-CC8 CCA-CCB 1715 1734 1B3B 1B3D 1B43-1B44 1B4E-1B4F 1B7F 1BAA 1BF2-1BF3 1C89-1C8A 2427-2429 "
        "2FFC-2FFF 31E4-31E5 31EF A7CB-A7CD A7DA-A7DC A953 A9C0 105C0-105F3 10D40-10D65 10D6E-10D85 10D8E-10D8F "
        "10EC2-10EC4 111C0 11235 1134D 11380-11389 1138B 1138E 11390-113B5 113B7 113B9-113BA 113CA 113CC-113CD "
        "113D1 113D3-113D5 113D7-113D8 116B6 116D0-116E3 1171E 1193D 11BC0-11BE1 11BF0-11BF9 11F41 13460-143FA "
        "16100-1611D 1612A-1612C 16130-16139 16D40-16D79 16FF0-16FF1 18CFF 1CC00-1CCF9 1CD00-1CEB3 1D166 1D16D "
        "1E5D0-1E5ED 1E5F0-1E5FA 1E5FF 1F8B2-1F8BB 1F8C0-1F8C1 1FA89 1FA8F 1FABE 1FAC6 1FADC 1FADF 1FAE9 "
        "1FBCB-1FBEF 2EBF0-2EE5D"
    ),
    "Grapheme_Extend": (
        "897 CC0 CC7-CC8 CCA-CCB 1715 1734 1B3B 1B3D 1B43-1B44 1BAA 1BF2-1BF3 A953 A9C0 10D69-10D6D 10EFC 111C0 "
        "11235 1134D 113B8 113BB-113C0 113C2 113C5 113C7-113C9 113CE-113D0 113D2 113E1-113E2 116B6 1171E 1193D "
        "11F41 11F5A 1611E-16129 1612D-1612F 16FF0-16FF1 1D166 1D16D 1E5EE-1E5EF"
    ),
    "Grapheme_Link": (
        "113CE-113D0 1612F"
    ),
    "ID_Continue": (
        "897 1C89-1C8A 200C-200D 30FB A7CB-A7CD A7DA-A7DC FF65 105C0-105F3 10D40-10D65 10D69-10D6D 10D6F-10D85 "
        "10EC2-10EC4 10EFC 11380-11389 1138B 1138E 11390-113B5 113B7-113C0 113C2 113C5 113C7-113CA 113CC-113D3 "
        "113E1-113E2 116D0-116E3 11BC0-11BE0 11BF0-11BF9 11F5A 13460-143FA 16100-16139 16D40-16D6C 16D70-16D79 "
        "18CFF 1CCF0-1CCF9 1E5D0-1E5FA 2EBF0-2EE5D"
    ),
    "ID_Start": (
        "1C89-1C8A A7CB-A7CD A7DA-A7DC 105C0-105F3 10D4A-10D65 10D6F-10D85 10EC2-10EC4 11380-11389 1138B 1138E "
        "11390-113B5 113B7 113D1 113D3 11BC0-11BE0 13460-143FA 16100-1611D 16D40-16D6C 18CFF 1E5D0-1E5ED 1E5F0 "
        "2EBF0-2EE5D"
    ),
    "IDS_Binary_Operator": (
        "2FFC-2FFD 31EF"
    ),
    "Ideographic": (
        "18CFF 2EBF0-2EE5D"
    ),
    "Lowercase": (
        "1C8A A7CD A7DB 10D70-10D85"
    ),
    "Math": (
        "10D8E-10D8F"
    ),
    "Sentence_Terminal": (
        "17D4-17D5 1B4E-1B4F 1B7F 2024 2CF9-2CFB FE12 FE15-FE16 113D4-113D5 16D6E-16D6F"
    ),
    "Terminal_Punctuation": (
        "836 1B4E-1B4F 1B7F 2024 2CF9-2CFB FE12 FE15-FE16 113D4-113D5 16D6E-16D6F"
    ),
    "Unified_Ideograph": (
        "2EBF0-2EE5D"
    ),
    "Uppercase": (
        "1C89 A7CB-A7CC A7DA A7DC 10D50-10D65"
    ),
    "XID_Continue": (
        "897 1C89-1C8A 200C-200D 30FB A7CB-A7CD A7DA-A7DC FF65 105C0-105F3 10D40-10D65 10D69-10D6D 10D6F-10D85 "
        "10EC2-10EC4 10EFC 11380-11389 1138B 1138E 11390-113B5 113B7-113C0 113C2 113C5 113C7-113CA 113CC-113D3 "
        "113E1-113E2 116D0-116E3 11BC0-11BE0 11BF0-11BF9 11F5A 13460-143FA 16100-16139 16D40-16D6C 16D70-16D79 "
        "18CFF 1CCF0-1CCF9 1E5D0-1E5FA 2EBF0-2EE5D"
    ),
    "XID_Start": (
        "1C89-1C8A A7CB-A7CD A7DA-A7DC 105C0-105F3 10D4A-10D65 10D6F-10D85 10EC2-10EC4 11380-11389 1138B 1138E "
        "11390-113B5 113B7 113D1 113D3 11BC0-11BE0 13460-143FA 16100-1611D 16D40-16D6C 18CFF 1E5D0-1E5ED 1E5F0 "
        "2EBF0-2EE5D"
    ),
}

ALIASES: dict[str, str] = {
}
