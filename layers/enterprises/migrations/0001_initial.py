import django.contrib.gis.db.models.fields
import django.contrib.gis.db.models.functions
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import gis.fields
import layers.enterprises.rules
import services.catalog.ids
import services.catalog.quantities
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('spatial', '0002_region_code_at'),
    ]

    operations = [
        migrations.CreateModel(
            name='Enterprise',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('name', models.CharField(max_length=200, verbose_name='名称')),
                ('code', models.CharField(max_length=18, unique=True, validators=[layers.enterprises.rules.validate_credit_code], verbose_name='统一社会信用代码')),
                ('geom', gis.fields.PointField(blank=True, null=True, srid=4490, verbose_name='位置')),
                ('state', models.CharField(choices=[('normal', '正常'), ('locked', '锁定'), ('cancelled', '注销')], default='normal', max_length=12, verbose_name='状态')),
                ('kind', models.CharField(choices=[('developer', '房地产开发'), ('construction', '建筑施工'), ('supervision', '工程监理'), ('cost', '造价咨询'), ('tender', '招标代理'), ('testing', '检测机构'), ('survey_design', '勘察设计'), ('energy', '建筑节能'), ('labour', '劳务分包'), ('concrete', '预拌混凝土'), ('prefabrication', '装配式构件'), ('machinery', '起重机械安装'), ('operation', '设施运营')], max_length=16, verbose_name='企业类型')),
                ('address', models.CharField(blank=True, max_length=200, verbose_name='注册地址')),
                ('legal_representative', models.CharField(blank=True, max_length=60, verbose_name='法定代表人')),
                ('phone', models.CharField(blank=True, max_length=20, verbose_name='联系电话')),
                ('registered_capital', services.catalog.quantities.Money(blank=True, decimal_places=4, max_digits=18, null=True, unit='万元', verbose_name='注册资本')),
                ('founded_on', models.DateField(blank=True, null=True, verbose_name='成立日期')),
                ('credit_score', services.catalog.quantities.Quantity(blank=True, help_text='0 至 200，初始 100', null=True, unit='分', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(200)], verbose_name='信用得分')),
                ('geom_3857', gis.fields.WebTwin(db_persist=True, expression=django.contrib.gis.db.models.functions.Transform('geom', 3857), output_field=django.contrib.gis.db.models.fields.PointField(null=True, srid=3857))),
                ('region', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='spatial.region', verbose_name='行政区')),
            ],
            options={
                'verbose_name': '企业',
                'verbose_name_plural': '企业',
            },
        ),
        migrations.CreateModel(
            name='CreditEntry',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('project', models.CharField(blank=True, max_length=200, verbose_name='涉及工程')),
                ('kind', models.CharField(choices=[('reward', '良好行为加分'), ('penalty', '不良行为扣分')], max_length=8, verbose_name='类别')),
                ('points', models.DecimalField(decimal_places=1, max_digits=5, validators=[django.core.validators.MinValueValidator(0)], verbose_name='分值')),
                ('reason', models.CharField(max_length=300, verbose_name='事由')),
                ('decided_by', models.CharField(max_length=100, verbose_name='认定机关')),
                ('decided_on', models.DateField(verbose_name='认定日期')),
                ('valid_until', models.DateField(blank=True, null=True, verbose_name='有效期至')),
                ('enterprise', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='credit_entries', to='enterprises.enterprise', verbose_name='企业')),
            ],
            options={
                'verbose_name': '信用记录',
                'verbose_name_plural': '信用记录',
                'ordering': ['-decided_on'],
            },
        ),
        migrations.CreateModel(
            name='Qualification',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('number', models.CharField(max_length=50, verbose_name='证书编号')),
                ('category', models.CharField(max_length=100, verbose_name='资质类别')),
                ('grade', models.CharField(choices=[('special', '特级'), ('first', '一级'), ('second', '二级'), ('third', '三级'), ('none', '不分等级')], default='none', max_length=8, verbose_name='等级')),
                ('issued_by', models.CharField(max_length=100, verbose_name='发证机关')),
                ('issued_on', models.DateField(verbose_name='发证日期')),
                ('valid_until', models.DateField(blank=True, null=True, verbose_name='有效期至')),
                ('enterprise', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='qualifications', to='enterprises.enterprise', verbose_name='企业')),
            ],
            options={
                'verbose_name': '资质证书',
                'verbose_name_plural': '资质证书',
                'ordering': ['-issued_on'],
            },
        ),
        migrations.AddIndex(
            model_name='enterprise',
            index=models.Index(fields=['kind', 'state'], name='enterprise_kind_state'),
        ),
        migrations.AddConstraint(
            model_name='creditentry',
            constraint=models.CheckConstraint(condition=models.Q(('points__gt', 0)), name='credit_points_positive', violation_error_message='分值应大于零。'),
        ),
        migrations.AddConstraint(
            model_name='qualification',
            constraint=models.UniqueConstraint(fields=('enterprise', 'number', 'category'), name='qualification_once'),
        ),
        migrations.AddConstraint(
            model_name='qualification',
            constraint=models.CheckConstraint(condition=models.Q(('valid_until', None), ('valid_until__gte', models.F('issued_on')), _connector='OR'), name='qualification_dates_in_order', violation_error_message='有效期不得早于发证日期。'),
        ),
    ]
