"""Tables of a page that sort, filter, page and export by their address alone, without a script.

A view says its columns and filters (`sheet`), fills them from rows that it holds or from a query (`filling`), and shows
the result with the macro `sheet` of `templates/portal/sheet.html`::

    found = of_rows(rows, COLUMNS, label=gettext("Models"), first="-registered")
    return export_of(found, name="models") or page("staff/models/list.html", found=found)
"""
