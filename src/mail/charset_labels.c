/* charset_labels.c: see charset_labels.h. */
#include "mail/charset_labels.h"

#include "base/bug.h"

#include <stdlib.h>
#include <string.h>

static const struct charset_row rows[] = {
    {"utf-8", NULL, CHARSET_IS_UTF8,
     "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8 utf_8 utf-8n cp65001 65001 unicode-2-0-utf-8"},
    {"us-ascii", NULL, CHARSET_IS_ASCII,
     "us-ascii ascii ansi_x3.4-1968 ansi_x3.4-1986 iso646-us iso_646.irv:1991 "
     "iso-ir-6 us 646 csascii cp367 ibm367 us_ascii usascii"},
    {"windows-1252", "ibm-5348_P100-1997", CHARSET_IS_SUPERSET,
     "windows-1252 cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 latin-1 x-cp1252 "
     "ansi windows1252 iso8859_1 8859_1 8859-1 iso-8859-1-windows-3.1-latin-1"},
    {"windows-1250", "ibm-5346_P100-1998", CHARSET_IS_SUPERSET, "windows-1250 cp1250 x-cp1250 windows1250 cp-1250"},
    {"windows-1251", "ibm-5347_P100-1998", CHARSET_IS_SUPERSET, "windows-1251 cp1251 x-cp1251 windows1251 cp-1251 win-1251"},
    {"windows-1253", "ibm-5349_P100-1998", CHARSET_IS_SUPERSET, "windows-1253 cp1253 x-cp1253"},
    {"windows-1254", "ibm-5350_P100-1998", CHARSET_IS_SUPERSET,
     "windows-1254 cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5 x-cp1254"},
    {"windows-1255", "ibm-9447_P100-2002", CHARSET_IS_SUPERSET, "windows-1255 cp1255 x-cp1255"},
    {"windows-1256", "ibm-9448_X100-2005", CHARSET_IS_SUPERSET, "windows-1256 cp1256 x-cp1256"},
    {"windows-1257", "ibm-9449_P100-2002", CHARSET_IS_SUPERSET, "windows-1257 cp1257 x-cp1257"},
    {"windows-1258", "ibm-5354_P100-1998", CHARSET_IS_SUPERSET, "windows-1258 cp1258 x-cp1258"},
    {"windows-874", "windows-874-2000", CHARSET_IS_SUPERSET, "windows-874 dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 tis620 cp874"},
    {"iso-8859-2", "ibm-912_P100-1995", CHARSET_IS_SUPERSET,
     "iso-8859-2 csisolatin2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2 latin-2"},
    {"iso-8859-3", "ibm-913_P100-2000", CHARSET_IS_SUPERSET, "iso-8859-3 csisolatin3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3"},
    {"iso-8859-4", "ibm-914_P100-1995", CHARSET_IS_SUPERSET, "iso-8859-4 csisolatin4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4"},
    {"iso-8859-5", "ibm-915_P100-1995", CHARSET_IS_SUPERSET,
     "iso-8859-5 csisolatincyrillic cyrillic iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988"},
    {"iso-8859-6", "ibm-1089_P100-1995", CHARSET_IS_SUPERSET,
     "iso-8859-6 arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6-e iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 "
     "iso_8859-6:1987"},
    {"iso-8859-7", "ibm-9005_X110-2007", CHARSET_IS_SUPERSET,
     "iso-8859-7 csisolatingreek ecma-118 elot_928 greek greek8 iso-ir-126 iso8859-7 iso88597 iso_8859-7 iso_8859-7:1987 sun_eu_greek"},
    {"iso-8859-8", "ibm-5012_P100-1999", CHARSET_IS_SUPERSET,
     "iso-8859-8 csiso88598e csisolatinhebrew hebrew iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8 iso_8859-8:1988 visual csiso88598i "
     "iso-8859-8-i logical"},
    {"iso-8859-10", "iso-8859_10-1998", CHARSET_IS_SUPERSET, "iso-8859-10 csisolatin6 iso-ir-157 iso8859-10 iso885910 l6 latin6"},
    {"iso-8859-13", "ibm-921_P100-1995", CHARSET_IS_SUPERSET, "iso-8859-13 iso8859-13 iso885913"},
    {"iso-8859-14", "iso-8859_14-1998", CHARSET_IS_SUPERSET, "iso-8859-14 iso8859-14 iso885914"},
    {"iso-8859-15", "ibm-923_P100-1998", CHARSET_IS_SUPERSET, "iso-8859-15 csisolatin9 iso8859-15 iso885915 iso_8859-15 l9 latin9 latin-9"},
    {"iso-8859-16", NULL, CHARSET_IS_SUPERSET, "iso-8859-16 iso8859-16 iso885916"},
    {"ibm866", "ibm-866_P100-1995", CHARSET_IS_SUPERSET, "ibm866 866 cp866 csibm866 cp-866 ibm-866"},
    {"ibm437", "ibm-437_P100-1995", CHARSET_IS_SUPERSET, "ibm437 437 cp437 cp-437 ibm-437 cspc8codepage437"},
    {"ibm850", "ibm-850_P100-1995", CHARSET_IS_SUPERSET, "ibm850 850 cp850 cp-850 ibm-850 cspc850multilingual"},
    {"ibm852", "ibm-852_P100-1995", CHARSET_IS_SUPERSET, "ibm852 852 cp852 cp-852 ibm-852 cspcp852"},
    {"ibm858", "ibm-858_P100-1997", CHARSET_IS_SUPERSET, "ibm858 ibm00858 cp858 cp00858 ccsid00858"},
    {"koi8-r", "ibm-878_P100-1996", CHARSET_IS_SUPERSET, "koi8-r cskoi8r koi koi8 koi8_r koi-8-r koi8r"},
    {"koi8-u", "ibm-1168_P100-2002", CHARSET_IS_SUPERSET, "koi8-u koi8-ru koi8u"},
    {"macintosh", "macos-0_2-10.2", CHARSET_IS_SUPERSET, "macintosh csmacintosh mac x-mac-roman macroman"},
    {"x-mac-cyrillic", "macos-7_3-10.2", CHARSET_IS_SUPERSET, "x-mac-cyrillic x-mac-ukrainian"},
    {"gb18030", "gb18030", CHARSET_IS_SUPERSET,
     "gb18030 gbk chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 iso-ir-58 x-gbk cp936 936 ms936 windows-936 euc-cn x-euc-cn gb-2312 "
     "gb18030-2000 csgbk gb2312_charset cn-gb"},
    {"big5", "ibm-1375_P100-2008", CHARSET_IS_SUPERSET, "big5 big5-hkscs cn-big5 csbig5 x-x-big5 cp950 950 windows-950 big5hkscs big-5"},
    {"euc-jp", "euc-jp-2007", CHARSET_IS_SUPERSET, "euc-jp cseucpkdfmtjapanese x-euc-jp eucjp x-euc euc_jp"},
    {"shift_jis", "ibm-943_P15A-2003", CHARSET_IS_SUPERSET,
     "shift_jis csshiftjis ms932 ms_kanji shift-jis sjis windows-31j x-sjis cp932 932 windows-932 cswindows31j shiftjis"},
    {"euc-kr", "windows-949-2000", CHARSET_IS_SUPERSET,
     "euc-kr cseuckr csksc56011987 iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949 cp949 949 ms949 uhc euckr ks_c_5601"},
    {"iso-2022-jp", "ISO_2022,locale=ja,version=3", CHARSET_IS_STATEFUL,
     "iso-2022-jp csiso2022jp iso-2022-jp-1 iso-2022-jp-2 iso-2022-jp-3 iso2022jp jis cp50220 cp50221 cp50222 iso-2022-jp-ms csiso2022jp2"},
    {"iso-2022-kr", "ISO_2022,locale=ko,version=0", CHARSET_IS_STATEFUL, "iso-2022-kr csiso2022kr iso2022kr"},
    {"iso-2022-cn", "ISO_2022,locale=zh,version=1", CHARSET_IS_STATEFUL, "iso-2022-cn iso-2022-cn-ext"},
    {"hz-gb-2312", "HZ", CHARSET_IS_TILDE, "hz-gb-2312 hz hz-gb2312"},
    {"utf-7", "UTF-7", CHARSET_IS_UTF7, "utf-7 utf7 unicode-1-1-utf-7 csunicode11utf7 x-unicode-2-0-utf-7 unicode-2-0-utf-7 cp65000 65000"},
    {"utf-16le", "UTF-16LE", CHARSET_IS_WIDE, "utf-16le csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf16 ucs2 utf-16-le"},
    {"utf-16be", "UTF-16BE", CHARSET_IS_WIDE, "utf-16be unicodefffe utf-16-be"},
    {"utf-32le", "UTF-32LE", CHARSET_IS_WIDE, "utf-32le utf-32 utf32 ucs-4 iso-10646-ucs-4 ucs4"},
    {"utf-32be", "UTF-32BE", CHARSET_IS_WIDE, "utf-32be"},
};

const uint16_t charset_iso_8859_16[96] = {
    0x00A0, 0x0104, 0x0105, 0x0141, 0x20AC, 0x201E, 0x0160, 0x00A7, 0x0161, 0x00A9, 0x0218, 0x00AB,
    0x0179, 0x00AD, 0x017A, 0x017B, 0x00B0, 0x00B1, 0x010C, 0x0142, 0x017D, 0x201D, 0x00B6, 0x00B7,
    0x017E, 0x010D, 0x0219, 0x00BB, 0x0152, 0x0153, 0x0178, 0x017C, 0x00C0, 0x00C1, 0x00C2, 0x0102,
    0x00C4, 0x0106, 0x00C6, 0x00C7, 0x00C8, 0x00C9, 0x00CA, 0x00CB, 0x00CC, 0x00CD, 0x00CE, 0x00CF,
    0x0110, 0x0143, 0x00D2, 0x00D3, 0x00D4, 0x0150, 0x00D6, 0x015A, 0x0170, 0x00D9, 0x00DA, 0x00DB,
    0x00DC, 0x0118, 0x021A, 0x00DF, 0x00E0, 0x00E1, 0x00E2, 0x0103, 0x00E4, 0x0107, 0x00E6, 0x00E7,
    0x00E8, 0x00E9, 0x00EA, 0x00EB, 0x00EC, 0x00ED, 0x00EE, 0x00EF, 0x0111, 0x0144, 0x00F2, 0x00F3,
    0x00F4, 0x0151, 0x00F6, 0x015B, 0x0171, 0x00F9, 0x00FA, 0x00FB, 0x00FC, 0x0119, 0x021B, 0x00FF,
};

static int by_label(const void *a, const void *b)
{
    const struct charset_label *x = a, *y = b;
    size_t shorter = x->label.len < y->label.len ? x->label.len : y->label.len;
    int order = memcmp(x->label.at, y->label.at, shorter);

    return order ? order : (x->label.len > y->label.len) - (x->label.len < y->label.len);
}

size_t charset_labels_sorted(struct charset_label *to)
{
    size_t count = 0;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str rest = str_from(rows[i].labels);
        for (struct str word = str_word(&rest); word.len; word = str_word(&rest)) {
            if (count == CHARSET_LABELS_MAX)
                bug("charset labels: more than %d", CHARSET_LABELS_MAX);
            to[count++] = (struct charset_label){word, &rows[i]};
        }
    }
    qsort(to, count, sizeof *to, by_label);
    return count;
}

const struct charset_row *charset_label_find(const struct charset_label *sorted, size_t count, struct str label)
{
    struct charset_label key = {label, NULL};
    const struct charset_label *hit = label.len ? bsearch(&key, sorted, count, sizeof *sorted, by_label) : NULL;

    return hit ? hit->row : NULL;
}

const struct charset_row *charset_row(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    bug("charset rows: no %s", name);
}
