"""Small lists of our own, in the official layouts."""

import pytest

SDN = """36,"AEROCARIBBEAN AIRLINES",-0- ,"CUBA",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0-
100,"ZARQAWIAN, Faruq Tamimuddin","individual","SDGT",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,"DOB 03 May 1958; POB Egypt; nationality Iran; a.k.a. 'VULTURE'."
101,"AL-RAHMANI, Abd al-Qadir","individual","SDGT",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,"DOB circa 1970."
102,"KORVANIC TRADING COMPANY, LTD.",-0- ,"IRAN",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0-
103,"SEA FALCON","vessel","IRAN",-0- ,"9BXY",-0- ,-0- ,-0- ,"Iran",-0- ,"Vessel Registration Identification IMO 7406784."
104,"PETROSHKIN, Vladislav Olegovich","individual","RUSSIA-EO14024",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,"DOB 1961 to 1963."
\x1a"""
ALT = """100,1,"aka","ZARKAWIYAN, Farouk",-0-
102,2,"fka","KORVANIC GENERAL BANK",-0-
999,3,"aka","NOBODY AT ALL",-0-
\x1a"""
ADD = """100,11,-0- ,"Tehran","Iran",-0-
998,12,-0- ,"Havana","Cuba",-0-
\x1a"""
UN = """<?xml version="1.0"?>
<CONSOLIDATED_LIST dateGenerated="2026-02-27T00:00:09Z"><INDIVIDUALS><INDIVIDUAL>
<DATAID>1</DATAID><FIRST_NAME>DJIBRINE</FIRST_NAME><SECOND_NAME>MBWALANKA</SECOND_NAME>
<UN_LIST_TYPE>DRC</UN_LIST_TYPE><REFERENCE_NUMBER>CDi.900</REFERENCE_NUMBER>
<NATIONALITY><VALUE>Democratic Republic of the Congo</VALUE></NATIONALITY>
<INDIVIDUAL_ALIAS><QUALITY>Low</QUALITY><ALIAS_NAME>Tango</ALIAS_NAME></INDIVIDUAL_ALIAS>
<INDIVIDUAL_DATE_OF_BIRTH><TYPE_OF_DATE>EXACT</TYPE_OF_DATE><DATE>1971-02-03</DATE></INDIVIDUAL_DATE_OF_BIRTH>
</INDIVIDUAL></INDIVIDUALS><ENTITIES/></CONSOLIDATED_LIST>
"""


@pytest.fixture
def files(tmp_path):
    """The lists as files: sdn, alt, add, un."""
    written = {}
    for name, text in (("sdn_2025-01-02.csv", SDN), ("alt.csv", ALT), ("add.csv", ADD), ("un.xml", UN)):
        written[name.split("_")[0].split(".")[0]] = path = tmp_path / name
        path.write_text(text)
    return written
