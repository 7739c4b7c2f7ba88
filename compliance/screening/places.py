"""Country names as lists write them, beside ISO 3166-1 (names from pycountry, and older or other names that OFAC and the UN use)."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Final

_NAMES: Final = """\
AW Aruba
AF Afghanistan
AO Angola
AI Anguilla
AX Åland Islands
AL Albania
AD Andorra
AE United Arab Emirates
AR Argentina
AM Armenia
AS American Samoa
AQ Antarctica
TF French Southern Territories
AG Antigua and Barbuda
AU Australia
AT Austria
AZ Azerbaijan
BI Burundi
BE Belgium
BJ Benin
BQ Bonaire, Sint Eustatius and Saba
BF Burkina Faso
BD Bangladesh
BG Bulgaria
BH Bahrain
BS Bahamas|Bahamas, The
BA Bosnia and Herzegovina
BL Saint Barthélemy
BY Belarus
BZ Belize
BM Bermuda
BO Bolivia, Plurinational State of|Bolivia
BR Brazil
BB Barbados
BN Brunei Darussalam|Brunei
BT Bhutan
BV Bouvet Island
BW Botswana
CF Central African Republic
CA Canada
CC Cocos (Keeling) Islands
CH Switzerland
CL Chile
CN China
CI Côte d'Ivoire|Cote d Ivoire|Ivory Coast
CM Cameroon
CD Congo, The Democratic Republic of the|Congo, Democratic Republic of the|Democratic Republic of the Congo
CG Congo|Republic of the Congo|Congo, Republic of the
CK Cook Islands
CO Colombia
KM Comoros
CV Cabo Verde|Cape Verde
CR Costa Rica
CU Cuba
CW Curaçao
CX Christmas Island
KY Cayman Islands
CY Cyprus
CZ Czechia|Czech Republic
DE Germany
DJ Djibouti
DM Dominica
DK Denmark
DO Dominican Republic
DZ Algeria
EC Ecuador
EG Egypt
ER Eritrea
EH Western Sahara
ES Spain
EE Estonia
ET Ethiopia
FI Finland
FJ Fiji
FK Falkland Islands (Malvinas)
FR France
FO Faroe Islands
FM Micronesia, Federated States of
GA Gabon
GB United Kingdom|UK|United Kingdom of Great Britain and Northern Ireland
GE Georgia
GG Guernsey
GH Ghana
GI Gibraltar
GN Guinea
GP Guadeloupe
GM Gambia|Gambia, The
GW Guinea-Bissau
GQ Equatorial Guinea
GR Greece
GD Grenada
GL Greenland
GT Guatemala
GF French Guiana
GU Guam
GY Guyana
HK Hong Kong
HM Heard Island and McDonald Islands
HN Honduras
HR Croatia
HT Haiti
HU Hungary
ID Indonesia
IM Isle of Man
IN India
IO British Indian Ocean Territory
IE Ireland
IR Iran, Islamic Republic of|Iran
IQ Iraq
IS Iceland
IL Israel
IT Italy
JM Jamaica
JE Jersey
JO Jordan
JP Japan
KZ Kazakhstan
KE Kenya
KG Kyrgyzstan
KH Cambodia
KI Kiribati
KN Saint Kitts and Nevis
KR Korea, Republic of|South Korea|Korea, South
KW Kuwait
LA Lao People's Democratic Republic|Laos
LB Lebanon
LR Liberia
LY Libya|Libyan Arab Jamahiriya
LC Saint Lucia
LI Liechtenstein
LK Sri Lanka
LS Lesotho
LT Lithuania
LU Luxembourg
LV Latvia
MO Macao|Macau
MF Saint Martin (French part)
MA Morocco
MC Monaco
MD Moldova, Republic of|Moldova
MG Madagascar
MV Maldives
MX Mexico
MH Marshall Islands
MK North Macedonia|Macedonia|The Former Yugoslav Republic of Macedonia
ML Mali
MT Malta
MM Myanmar|Burma
ME Montenegro
MN Mongolia
MP Northern Mariana Islands
MZ Mozambique
MR Mauritania
MS Montserrat
MQ Martinique
MU Mauritius
MW Malawi
MY Malaysia
YT Mayotte
NA Namibia
NC New Caledonia
NE Niger
NF Norfolk Island
NG Nigeria
NI Nicaragua
NU Niue
NL Netherlands
NO Norway
NP Nepal
NR Nauru
NZ New Zealand
OM Oman
PK Pakistan
PA Panama
PN Pitcairn
PE Peru
PH Philippines
PW Palau
PG Papua New Guinea
PL Poland
PR Puerto Rico
KP Korea, Democratic People's Republic of|North Korea|Korea, North|Democratic People's Republic of Korea
PT Portugal
PY Paraguay
PS Palestine, State of|Palestinian|Palestine|West Bank|Gaza|Region: Gaza
PF French Polynesia
QA Qatar
RE Réunion
RO Romania
RU Russian Federation|Russia
RW Rwanda
SA Saudi Arabia
SD Sudan
SN Senegal
SG Singapore
GS South Georgia and the South Sandwich Islands
SH Saint Helena, Ascension and Tristan da Cunha
SJ Svalbard and Jan Mayen
SB Solomon Islands
SL Sierra Leone
SV El Salvador
SM San Marino
SO Somalia
PM Saint Pierre and Miquelon
RS Serbia
SS South Sudan
ST Sao Tome and Principe
SR Suriname
SK Slovakia
SI Slovenia
SE Sweden
SZ Eswatini|Swaziland
SX Sint Maarten (Dutch part)
SC Seychelles
SY Syrian Arab Republic|Syria
TC Turks and Caicos Islands
TD Chad
TG Togo
TH Thailand
TJ Tajikistan
TK Tokelau
TM Turkmenistan
TL Timor-Leste
TO Tonga
TT Trinidad and Tobago
TN Tunisia
TR Türkiye|Turkey
TV Tuvalu
TW Taiwan, Province of China|Taiwan
TZ Tanzania, United Republic of|Tanzania
UG Uganda
UA Ukraine
UM United States Minor Outlying Islands
UY Uruguay
US United States|USA|United States of America
UZ Uzbekistan
VA Holy See (Vatican City State)
VC Saint Vincent and the Grenadines
VE Venezuela, Bolivarian Republic of|Venezuela
VG Virgin Islands, British|British Virgin Islands
VI Virgin Islands, U.S.
VN Viet Nam|Vietnam
VU Vanuatu
WF Wallis and Futuna
WS Samoa
YE Yemen
ZA South Africa
ZM Zambia
ZW Zimbabwe
XK Kosovo
"""
_BRACKETS: Final = re.compile(r"\s*\(.*\)")


def country_of(name: str) -> str:
    """ISO 3166-1 alpha-2 of a country's name or code; "" where it is none that is known."""
    text = name.strip().casefold()
    return _codes().get(text, "") or _codes().get(_BRACKETS.sub("", text), "")


def countries_of(names: Iterable[str]) -> tuple[str, ...]:
    """The codes of those that are known, each once."""
    return tuple(dict.fromkeys(filter(None, map(country_of, filter(None, names)))))


@cache
def _codes() -> dict[str, str]:
    found: dict[str, str] = {}
    for line in _NAMES.splitlines():
        code, names = line[:2], line[3:]
        found[code.casefold()] = code
        for name in names.split("|"):
            found[name.casefold()] = code
            found.setdefault(_BRACKETS.sub("", name.casefold()), code)
            found.setdefault(name.casefold().split(",")[0], code)
    return found
