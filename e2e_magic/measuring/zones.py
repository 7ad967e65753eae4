"""Grams of CO2 per kWh of electricity, by zone: yearly means; the year is that of the data.

Taken from CodeCarbon 3.3.2 (MIT licence): countries from its ``global_energy_mix.json``, states of the US
from its ``usa_emissions.json`` (EPA eGRID2023, ``STC2ERTA``, converted from lb/MWh).
"""

TABLE = """\
zone,alpha_3,name,g_per_kwh,year
AE,ARE,United Arab Emirates,561.1,2022
AF,AFG,Afghanistan,132.5,2022
AG,ATG,Antigua and Barbuda,611.1,2022
AL,ALB,Albania,24.3,2022
AM,ARM,Armenia,264.5,2022
AO,AGO,Angola,174.7,2022
AR,ARG,Argentina,354.1,2023
AS,ASM,American Samoa,611.1,2022
AT,AUT,Austria,110.8,2023
AU,AUS,Australia,548.7,2023
AW,ABW,Aruba,561.2,2022
AZ,AZE,Azerbaijan,671.4,2022
BA,BIH,Bosnia and Herzegovina,600.0,2023
BB,BRB,Barbados,605.5,2022
BD,BGD,Bangladesh,691.4,2023
BE,BEL,Belgium,138.1,2023
BF,BFA,Burkina Faso,467.5,2022
BG,BGR,Bulgaria,335.3,2023
BH,BHR,Bahrain,904.6,2022
BI,BDI,Burundi,250.0,2022
BJ,BEN,Benin,584.1,2022
BM,BMU,Bermuda,650.8,2022
BN,BRN,Brunei,893.9,2022
BO,BOL,Bolivia,531.7,2023
BR,BRA,Brazil,98.3,2023
BS,BHS,Bahamas,660.1,2022
BT,BTN,Bhutan,23.3,2022
BW,BWA,Botswana,847.9,2022
BY,BLR,Belarus,441.7,2022
BZ,BLZ,Belize,225.8,2022
CA,CAN,Canada,170.0,2023
CD,COD,Democratic Republic of Congo,24.5,2022
CF,CAF,Central African Republic,0.0,2022
CG,COG,Congo,700.0,2022
CH,CHE,Switzerland,34.8,2023
CI,CIV,Cote d'Ivoire,393.9,2022
CK,COK,Cook Islands,250.0,2022
CL,CHL,Chile,291.1,2023
CM,CMR,Cameroon,305.4,2022
CN,CHN,China,582.3,2023
CO,COL,Colombia,259.5,2023
CR,CRI,Costa Rica,53.4,2023
CU,CUB,Cuba,637.6,2022
CV,CPV,Cape Verde,558.1,2022
CY,CYP,Cyprus,534.3,2023
CZ,CZE,Czechia,449.7,2023
DE,DEU,Germany,380.9,2023
DJ,DJI,Djibouti,692.3,2022
DK,DNK,Denmark,151.7,2023
DM,DMA,Dominica,529.4,2022
DO,DOM,Dominican Republic,580.8,2022
DZ,DZA,Algeria,634.6,2022
EC,ECU,Ecuador,150.2,2023
EE,EST,Estonia,416.7,2023
EG,EGY,Egypt,570.3,2023
EH,ESH,Western Sahara,666.7,2009
ER,ERI,Eritrea,631.6,2022
ES,ESP,Spain,174.1,2023
ET,ETH,Ethiopia,24.6,2022
FI,FIN,Finland,79.2,2023
FJ,FJI,Fiji,288.5,2022
FK,FLK,Falkland Islands,500.0,2022
FO,FRO,Faroe Islands,404.8,2022
FR,FRA,France,56.0,2023
GA,GAB,Gabon,491.6,2022
GB,GBR,United Kingdom,237.6,2023
GD,GRD,Grenada,640.0,2022
GE,GEO,Georgia,167.6,2023
GF,GUF,French Guiana,217.8,2021
GH,GHA,Ghana,484.0,2022
GI,GIB,Gibraltar,600.0,2022
GL,GRL,Greenland,178.6,2022
GM,GMB,Gambia,666.7,2022
GN,GIN,Guinea,236.8,2022
GP,GLP,Guadeloupe,500.0,2021
GQ,GNQ,Equatorial Guinea,591.8,2022
GR,GRC,Greece,336.6,2023
GT,GTM,Guatemala,328.3,2022
GU,GUM,Guam,622.9,2022
GW,GNB,Guinea-Bissau,625.0,2022
GY,GUY,Guyana,640.4,2022
HK,HKG,Hong Kong,699.5,2022
HN,HND,Honduras,282.3,2022
HR,HRV,Croatia,205.0,2023
HT,HTI,Haiti,567.3,2022
HU,HUN,Hungary,204.2,2023
ID,IDN,Indonesia,675.9,2022
IE,IRL,Ireland,290.8,2023
IL,ISR,Israel,582.9,2022
IN,IND,India,713.4,2023
IQ,IRQ,Iraq,688.8,2022
IR,IRN,Iran,655.1,2023
IS,ISL,Iceland,27.7,2022
IT,ITA,Italy,330.7,2023
JM,JAM,Jamaica,555.6,2022
JO,JOR,Jordan,540.9,2022
JP,JPN,Japan,485.4,2023
KE,KEN,Kenya,70.5,2023
KG,KGZ,Kyrgyzstan,147.3,2022
KH,KHM,Cambodia,417.7,2022
KI,KIR,Kiribati,666.7,2022
KM,COM,Comoros,642.9,2022
KN,KNA,Saint Kitts and Nevis,636.4,2022
KP,PRK,North Korea,389.6,2022
KR,KOR,South Korea,430.6,2023
KW,KWT,Kuwait,649.2,2023
KY,CYM,Cayman Islands,642.9,2022
KZ,KAZ,Kazakhstan,821.4,2023
LA,LAO,Laos,265.5,2022
LB,LBN,Lebanon,599.0,2022
LC,LCA,Saint Lucia,666.7,2022
LK,LKA,Sri Lanka,509.8,2022
LR,LBR,Liberia,227.8,2022
LS,LSO,Lesotho,20.0,2022
LT,LTU,Lithuania,160.1,2023
LU,LUX,Luxembourg,105.3,2023
LV,LVA,Latvia,123.2,2023
LY,LBY,Libya,818.7,2022
MA,MAR,Morocco,630.0,2023
MD,MDA,Moldova,643.5,2023
ME,MNE,Montenegro,417.1,2023
MG,MDG,Madagascar,436.4,2022
MK,MKD,North Macedonia,565.3,2023
ML,MLI,Mali,408.0,2022
MM,MMR,Myanmar,398.9,2023
MN,MNG,Mongolia,775.3,2023
MO,MAC,Macao,449.0,2022
MQ,MTQ,Martinique,523.2,2021
MR,MRT,Mauritania,464.7,2022
MS,MSR,Montserrat,1000.0,2022
MT,MLT,Malta,459.1,2023
MU,MUS,Mauritius,632.5,2022
MV,MDV,Maldives,611.8,2022
MW,MWI,Malawi,66.7,2022
MX,MEX,Mexico,507.2,2023
MY,MYS,Malaysia,605.8,2022
MZ,MOZ,Mozambique,135.6,2022
NA,NAM,Namibia,59.3,2022
NC,NCL,New Caledonia,660.6,2022
NE,NER,Niger,670.9,2022
NG,NGA,Nigeria,523.2,2023
NI,NIC,Nicaragua,265.1,2022
NL,NLD,Netherlands,267.6,2023
NO,NOR,Norway,30.1,2023
NP,NPL,Nepal,24.4,2022
NR,NRU,Nauru,750.0,2022
NZ,NZL,New Zealand,112.8,2023
OM,OMN,Oman,564.6,2023
PA,PAN,Panama,161.7,2022
PE,PER,Peru,266.5,2023
PF,PYF,French Polynesia,442.9,2022
PG,PNG,Papua New Guinea,507.2,2022
PH,PHL,Philippines,610.7,2023
PK,PAK,Pakistan,440.6,2023
PL,POL,Poland,661.9,2023
PM,SPM,Saint Pierre and Miquelon,600.0,2022
PR,PRI,Puerto Rico,678.7,2022
PS,PSE,Palestine,516.1,2022
PT,PRT,Portugal,165.6,2023
PY,PRY,Paraguay,23.8,2023
QA,QAT,Qatar,602.5,2023
RE,REU,Reunion,572.8,2021
RO,ROU,Romania,240.6,2023
RS,SRB,Serbia,636.1,2023
RU,RUS,Russia,441.0,2023
RW,RWA,Rwanda,316.3,2022
SA,SAU,Saudi Arabia,706.8,2022
SB,SLB,Solomon Islands,700.0,2022
SC,SYC,Seychelles,564.5,2022
SD,SDN,Sudan,263.2,2022
SE,SWE,Sweden,40.7,2023
SG,SGP,Singapore,470.8,2023
SH,SHN,Saint Helena,1000.0,2022
SI,SVN,Slovenia,231.3,2023
SK,SVK,Slovakia,116.8,2023
SL,SLE,Sierra Leone,50.0,2022
SN,SEN,Senegal,511.6,2022
SO,SOM,Somalia,578.9,2022
SR,SUR,Suriname,349.3,2022
SS,SSD,South Sudan,629.0,2022
ST,STP,Sao Tome and Principe,642.9,2022
SV,SLV,El Salvador,271.5,2023
SY,SYR,Syria,701.7,2022
SZ,SWZ,Eswatini,172.4,2022
TC,TCA,Turks and Caicos Islands,653.8,2022
TD,TCD,Chad,628.6,2022
TG,TGO,Togo,443.2,2022
TH,THA,Thailand,549.6,2023
TJ,TJK,Tajikistan,116.9,2022
TL,TLS,East Timor,666.7,2022
TM,TKM,Turkmenistan,1306.0,2022
TN,TUN,Tunisia,564.0,2023
TO,TON,Tonga,625.0,2022
TR,TUR,Turkey,464.6,2023
TT,TTO,Trinidad and Tobago,681.5,2022
TW,TWN,Taiwan,642.4,2023
TZ,TZA,Tanzania,339.2,2022
UA,UKR,Ukraine,259.7,2022
UG,UGA,Uganda,44.5,2022
US,USA,United States,369.5,2023
UY,URY,Uruguay,128.8,2023
UZ,UZB,Uzbekistan,1167.6,2022
VC,VCT,Saint Vincent and the Grenadines,529.4,2022
VE,VEN,Venezuela,185.8,2022
VG,VGB,British Virgin Islands,647.1,2022
VI,VIR,United States Virgin Islands,632.4,2022
VN,VNM,Vietnam,475.4,2023
VU,VUT,Vanuatu,571.4,2022
WS,WSM,Samoa,473.7,2022
YE,YEM,Yemen,566.1,2022
ZA,ZAF,South Africa,707.7,2023
ZM,ZMB,Zambia,112.0,2022
ZW,ZWE,Zimbabwe,297.9,2022
US-AK,,Alaska,369.4,2023
US-AL,,Alabama,323.9,2023
US-AR,,Arkansas,452.9,2023
US-AZ,,Arizona,312.6,2023
US-CA,,California,179.1,2023
US-CO,,Colorado,494.9,2023
US-CT,,Connecticut,245.2,2023
US-DC,,District Of Columbia,179.2,2023
US-DE,,Delaware,319.4,2023
US-FL,,Florida,357.9,2023
US-GA,,Georgia,325.4,2023
US-HI,,Hawaii,632.6,2023
US-IA,,Iowa,287.6,2023
US-ID,,Idaho,142.4,2023
US-IL,,Illinois,215.2,2023
US-IN,,Indiana,664.7,2023
US-KS,,Kansas,332.6,2023
US-KY,,Kentucky,792.4,2023
US-LA,,Louisiana,346.1,2023
US-MA,,Massachusetts,376.5,2023
US-MD,,Maryland,236.9,2023
US-ME,,Maine,143.7,2023
US-MI,,Michigan,361.7,2023
US-MN,,Minnesota,341.3,2023
US-MO,,Missouri,659.8,2023
US-MS,,Mississippi,375.7,2023
US-MT,,Montana,482.6,2023
US-NC,,North Carolina,284.1,2023
US-ND,,North Dakota,588.7,2023
US-NE,,Nebraska,465.3,2023
US-NH,,New Hampshire,125.3,2023
US-NJ,,New Jersey,213.3,2023
US-NM,,New Mexico,350.9,2023
US-NV,,Nevada,292.0,2023
US-NY,,New York,211.7,2023
US-OH,,Ohio,484.6,2023
US-OK,,Oklahoma,294.3,2023
US-OR,,Oregon,165.5,2023
US-PA,,Pennsylvania,293.9,2023
US-RI,,Rhode Island,381.0,2023
US-SC,,South Carolina,254.2,2023
US-SD,,South Dakota,152.2,2023
US-TN,,Tennessee,299.9,2023
US-TX,,Texas,349.8,2023
US-USA,,Usa,349.7,2023
US-UT,,Utah,644.7,2023
US-VA,,Virginia,244.8,2023
US-VT,,Vermont,23.7,2023
US-WA,,Washington,120.9,2023
US-WI,,Wisconsin,527.8,2023
US-WV,,West Virginia,893.1,2023
US-WY,,Wyoming,831.6,2023
"""
