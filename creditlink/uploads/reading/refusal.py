"""Why a file is not taken at all, beside rows that are wrong by themselves. Pure."""

from __future__ import annotations

REFUSALS: dict[str, tuple[str, str]] = {
    "empty": ("文件为空", "the file is empty"),
    "damaged": ("文件已损坏，无法打开", "the file is damaged and cannot be opened"),
    "locked": ("文件设有密码，请取消密码后再上传", "the file has a password; remove it and upload again"),
    "old_excel": ("旧版Excel文件（.xls），请另存为.xlsx后再上传", "an old Excel file (.xls); save it as .xlsx"),
    "pdf": ("无法可靠读取PDF，请上传Excel、CSV、XML或OFD", "PDF cannot be read; upload Excel, CSV, XML or OFD"),
    "unpacks_too_large": ("文件解压后过大", "the file is too large once unpacked"),
    "too_many_rows": ("行数过多，请按期间分次导出", "the file has too many rows; export it in parts by period"),
    "document_type": ("XML中含有文档类型声明或实体", "the XML declares a document type or an entity"),
    "no_layout": (
        "未找到电子税务局导出表的表头",
        "no table has the header of an export of the tax platform",
    ),
    "no_owner": ("文件中没有纳税人识别号，无法确认属于哪家企业", "the file does not say whose it is"),
    "another_firm": ("文件属于其他企业", "the file is another firm's"),
    "nothing_taken": ("没有一行可以采用", "not one row could be taken"),
}  # fmt: skip
"""Reason -> what is said of it, in zh and en."""


class FileRefused(ValueError):
    """The file is not taken; `reason` is one of `REFUSALS`, the message adds what was met."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(REFUSALS[reason][1] + (f": {detail}" if detail else ""))
