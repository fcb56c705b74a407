"""How numbers and days are written, and what becomes of each."""

from datetime import date

import polars as pl
import pytest

from creditlink.training.table.columns import typed_column

pytestmark = pytest.mark.pure


def read(values, **how):
    """Return the values of a column and what was told of it."""
    column, odd = typed_column(pl.Series("x", values), **how)
    return column.to_list(), [(o.row, o.count, o.message) for o in odd]


class TestNumbers:
    @pytest.mark.parametrize(
        ("written", "number"),
        [
            ("-$0.11", -0.11),
            ("$-0.11", -0.11),
            ("($1,250.50)", -1250.5),
            ("12.50-", -12.5),
            ("−3", -3),
            ("€ 5", 5),
            ("5.20 EUR", 5.2),
            ("￥3,000", 3000),
            ("3,000元", 3000),
            ("1.5万", 15000),
            ("2亿元", 2e8),
            ("4,8857e-05", 4.8857e-05),
            ("53.433,00", 53433),
            ("1.234.567", 1234567),
            ("1,234.5", 1234.5),
            ("1 234 567", 1234567),
            ("1'250.5", 1250.5),
            ("0,125", 0.125),
            ("-12.5 %", -0.125),
            ("+7", 7),
        ],
    )
    def test_in_every_usual_form(self, written, number):
        values, _ = read(["0.5", written, "2"])
        assert values == [0.5, pytest.approx(number, rel=1e-12), 2.0]

    @pytest.mark.parametrize("wrong", ["(-5)", "5-10", "1,23,4", "--3", "1.2.3", "$", "12 monkeys", "1_000", "0x10"])
    def test_others_are_counted_as_missing(self, wrong):
        values, told = read([*map(str, range(30)), wrong])
        assert values[-1] is None
        assert told == [(31, 1, f"text where numbers stand, read as missing: {wrong!r}")]

    @pytest.mark.parametrize(
        ("values", "numbers"),
        [
            (["1,234", "12,345"], [1234, 12345]),
            (["1,234", "0,5"], [1.234, 0.5]),
            (["1.234", "53.433,00"], [1234, 53433]),
            (["1.234", "2.5"], [1.234, 2.5]),
            (["1.234", "12.345"], [1.234, 12.345]),
        ],
    )
    def test_what_can_be_meant_in_two_ways_is_meant_as_the_others_are(self, values, numbers):
        assert read(values)[0] == numbers

    def test_the_separator_of_a_file_decides_where_no_value_does(self):
        assert read(["1,234", "12,345"], decimal_comma=True)[0] == [1.234, 12.345]
        assert read(["1,234", "12,345.5"], decimal_comma=True)[0] == [1234, 12345.5]
        assert read(["1.234", "12.345"], decimal_comma=True)[0] == [1.234, 12.345]

    def test_another_decimal_mark_among_many_is_read_and_told(self):
        values, told = read([*(f"0.{k}" for k in range(1, 60)), "4,8857e-05"])
        assert values[-1] == 4.8857e-05
        assert told == [(60, 1, "numbers with another decimal mark than the others, read so: '4,8857e-05'")]

    def test_a_column_is_not_lost_for_a_third_of_odd_texts(self):
        values, told = read([f"{k / 7:.3f}" if k % 3 else f"about {k}" for k in range(90)])
        assert sum(v is not None for v in values) == 60
        assert told == [(1, 30, "text where numbers stand, read as missing: 'about 0'")]

    def test_nor_are_ids_of_several_kinds_numbers(self):
        assert read([f"{1000 + k}" if k % 3 else f"A{k}" for k in range(90)])[0][:2] == ["A0", "1001"]

    def test_codes_of_a_category_stay_text(self):
        assert read(["1", "2", "3", "1", "2", "A"] * 20)[0][:2] == ["1", "2"]


class TestDays:
    @pytest.mark.parametrize(
        "written",
        [
            *("2010-01-31", "2010/1/31", "31.01.2010", "31/01/2010", "01/31/2010", "31-Jan-10", "31-JAN-2010"),
            *(
                "31 Jan 2010",
                "January 31, 2010",
                "20100131",
                "2010年1月31日",
                "31/1/10",
                "2010-01-31 13:05",
                "31-01-2010",
            ),
            *("2010-01-31T00:00:00", "1/31/2010 1:05:00 PM"),
        ],
    )
    def test_in_every_usual_form(self, written):
        values, told = read(["2009-12-01", written, "2011-05-06"])
        assert values == [date(2009, 12, 1), date(2010, 1, 31), date(2011, 5, 6)]
        assert [message.split(":")[0] for *_, message in told] in (
            [],
            ["dates in another form than the others, read so"],
        )

    def test_three_odd_ones_in_388_are_counted(self):
        days = [str(date.fromordinal(730_000 + 9 * k)) for k in range(385)]
        values, told = read([*days, "31/12/2003", "03/04/2003", "2003-02-30"])
        assert values[-3:] == [date(2003, 12, 31), None, None]
        assert told == [
            (386, 1, "dates in another form than the others, read so: '31/12/2003'"),
            (387, 2, "text where dates stand, read as missing: '03/04/2003'"),
        ]

    def test_a_year_of_two_digits_is_of_this_age(self):
        assert read(["05/01/10", "25/12/99"])[0] == [date(2010, 1, 5), date(1999, 12, 25)]

    def test_a_column_is_not_lost_for_a_tenth_of_odd_texts(self):
        days = [str(date.fromordinal(730_000 + 9 * k)) if k % 10 else f"spring of {k}" for k in range(90)]
        values, told = read(days)
        assert values[1] == date.fromordinal(730_009)
        assert told == [(1, 9, "text where dates stand, read as missing: 'spring of 0'")]

    def test_numbers_of_eight_digits_alone_are_numbers(self):
        assert read(["20100131", "20100201"])[0] == [20100131, 20100201]
