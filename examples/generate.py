"""Makes `spring-sale.csv`: 5,000 rows from a fixed seed, so that it can be made again, byte for byte.

    python examples/generate.py > examples/spring-sale.csv

Every domain is reserved (RFC 2606), so no mail to any of them can ever leave. Among the rows are 60 addresses that are none, 40
that are there twice (half of them in another case), 12 that the demo's sink rejects, and 25 that it takes at the second try.
"""

import csv
import random
import sys
from collections.abc import Iterator
from itertools import chain

SEED = 20_260_320
ROWS, INVALID, DUPLICATES, REJECTED, SLOW = 5_000, 60, 40, 12, 25
COLUMNS = ("email", "first_name", "last_name", "city", "coupon", "note")

# Per script: first names, last names, cities, and the same names as they stand in an address.
PEOPLE = (
    (
        "Zoë Jürgen Åsa Łukasz Çağla Žofie Đorđe Inês Siân Þóra",
        "Müller Fröhlich Østergård Wałęsa Şahin Dvořák Nuñez Gonçalves",
        "Köln Malmö Łódź İzmir Plzeň Reykjavík Córdoba",
    ),
    ("Ελένη Γιώργος Δήμητρα Νίκος", "Παπαδόπουλος Οικονόμου Γεωργίου", "Αθήνα Θεσσαλονίκη Πάτρα"),
    ("Ольга Дмитрий Юлія Ђорђе Щукарь", "Иванова Шевченко Петровић Ёлкин", "Москва Київ Београд София"),
    ("فاطمة محمد ليلى يوسف", "الخطيب حداد العلي", "القاهرة بيروت الرباط"),
    ("שירה דוד נועה", "כהן לוי פרץ", "תל־אביב חיפה ירושלים"),
    ("प्रिया अर्जुन लक्ष्मी", "शर्मा त्रिपाठी कृष्णन्", "दिल्ली मुंबई वाराणसी"),
    ("小明 美丽 建国", "王 李 欧阳", "北京 上海 广州"),
    ("さくら 健太 ひかり", "佐藤 鈴木 髙橋", "東京 大阪 札幌"),
    ("지민 서연 도윤", "김 박 황보", "서울 부산 제주"),
    ("สมชาย มาลี กัญญา", "ใจดี สุขสันต์ ศรีสุวรรณ", "กรุงเทพฯ เชียงใหม่ ภูเก็ต"),
    ("Nguyễn Thảo Đặng", "Trần Lê Phạm", "Huế Đà_Nẵng Cần_Thơ"),
    ("Սարգիս Անի", "Հովհաննիսյան Պետրոսյան", "Երևան Գյումրի"),
    ("გიორგი ნინო", "ბერიძე კაპანაძე", "თბილისი ბათუმი"),
    ("አበበ ሰላም", "ተስፋዬ ገብረ", "አዲስ_አበባ ጎንደር"),
    ("👩‍🌾 🌷Rosa🌷 Max🎉", "Sunny☀️ O’Brien van_der_Berg", "🏔️Zermatt Paris🗼"),
)
NOTES = (
    "",
    "",
    "",
    "likes tulips",
    "two lines:\nring twice, then wait",
    'says "hello", always',
    "Grüße, café, naïve – “quoted”",
    "three\nshort\r\nlines",
    "=SUM(A1:A9)",
    " a space on both sides ",
    "<b>not bold</b> & not escaped",
    "{{ not_a_variable }}",
    ".\n.a line that begins with a dot",
    "🌷🌷🌷",
    "\u200fمرحبا\u200f and back",
)
WRONG = (
    "",
    "   ",
    "no-at-sign.example",
    "@shop.example",
    "nobody@",
    "two@@shop.example",
    "a b@shop.example",
    "dot.@shop.example",
    ".dot@shop.example",
    "two..dots@shop.example",
    "ann@shop..example",
    "ann@-shop.example",
    "ann@shop-.example",
    "ann@.example",
    "ann@shop.example.",
    "ann@shop_floor.example",
    "ann@[192.0.2.1]",
    "Ann <ann@shop.example>",
    "ann@shop.example, bob@shop.example",
    "ann@shop.example;bob@shop.example",
    "mailto:ann@shop.example",
    "ann@shop,example",
    "ann(comment)@shop.example",
    "ann\n@shop.example",
    "ann@shop.example\nBcc: all@shop.example",
    "ann\u200b@shop.example",
    '"ann@shop.example',
    f"{'a' * 65}@shop.example",
    f"ann@{'a' * 64}.example",
    f"ann@{'.'.join(['abcdefgh'] * 31)}.example",
)
DOMAINS = ("shop.example", "mail.example", "post.example", "example.org", "example.com", "büro.example", "sub.domain.example.net")


def main() -> None:
    """Write the file to standard output."""
    sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows(people(random.Random(SEED)))


def people(dice: random.Random) -> Iterator[list[str]]:
    """The rows: good addresses in the order they were made, the others strewn among them."""
    good = ROWS - INVALID - DUPLICATES
    addresses = [_address(number, good) for number in range(1, good + 1)]
    twice = [_again(address, number) for number, address in enumerate(dice.sample(addresses[: good // 2], DUPLICATES))]
    wrong = [WRONG[number % len(WRONG)] for number in range(INVALID)]
    for address in twice:
        addresses.insert(dice.randrange(good // 2 + 1, len(addresses)), address)
    for address in wrong:
        addresses.insert(dice.randrange(1, len(addresses)), address)
    return (_person(address, dice) for address in chain(addresses))


def _address(number: int, good: int) -> str:
    # Spread over the whole file, so that they come from every batch.
    if number % (good // REJECTED) == 7 and number // (good // REJECTED) < REJECTED:
        return f"moved{number:05}@gone.example"
    if number % (good // SLOW) == 11 and number // (good // SLOW) < SLOW:
        return f"patient{number:05}@greylist.example"
    return f"customer{number:05}@{DOMAINS[number % len(DOMAINS)]}"


def _again(address: str, number: int) -> str:
    return address.replace("customer", "Customer").replace("example", "EXAMPLE") if number % 2 else address


def _person(address: str, dice: random.Random) -> list[str]:
    first, last, city = (dice.choice(names.split()).replace("_", " ") for names in dice.choice(PEOPLE))
    coupon = "".join(dice.choices("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=8))
    return [address, first, last, city, coupon, dice.choice(NOTES)]


if __name__ == "__main__":
    main()
